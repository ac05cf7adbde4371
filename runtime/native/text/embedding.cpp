#include "text/embedding.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace latentlink {

namespace {

Shape joined_shape(std::int64_t rows, const Shape& row) {
    Shape shape = {rows};
    shape.insert(shape.end(), row.begin(), row.end());
    return shape;
}

bool is_pooled(const Port& port) { return port.shape.size() == 2; }

// Shape of one row: `[L, D]`, one embedding per token unless the engine has a fixed size, or `[D]`.
Shape row_shape(const Port& port, std::int64_t length) {
    const std::array<std::int64_t, 2> sizes = {length, port.size('d')};
    Shape shape;
    for (std::size_t i = 1; i < port.shape.size(); ++i) {
        const auto* fixed = std::get_if<std::int64_t>(&port.shape[i]);
        shape.push_back(fixed ? *fixed : sizes.at(sizes.size() + i - port.shape.size()));
    }
    return shape;
}

// Rows of one batch after those of another.
Array joined(const std::vector<Array>& lots) {
    Shape shape = lots.front().shape();
    shape[0] = 0;
    for (const Array& lot : lots) shape[0] += lot.size(0);
    Array made(lots.front().dtype(), shape);
    auto rest = made.bytes();
    for (const Array& lot : lots) {
        std::ranges::copy(lot.bytes(), rest.begin());
        rest = rest.subspan(lot.bytes().size());
    }
    return made;
}

const Port& tokens_port(const Engine& engine) {
    for (const Port& port : engine.declared.first) {
        if (port.kind == "tokens") return port;
    }
    throw std::invalid_argument("a text encoder reads no tokens");
}

// Most rows of ids that the engine was built for.
std::int64_t most_rows(const Engine& engine, const Port& reads, std::int64_t rows) {
    const auto* name = std::get_if<std::string>(&reads.shape.front());
    const auto found = name ? engine.limits.find(*name) : engine.limits.end();
    return found == engine.limits.end() ? rows : found->second[2];
}

// Embeddings of every row of ids, in batches of as many rows as the engine was built for.
Buffers run(const Engine& engine, const Array& ids) {
    Session& session = *engine.session;
    const Port& reads = tokens_port(engine);
    const std::int64_t rows = ids.size(0), length = ids.size(1), most = most_rows(engine, reads, rows);
    std::vector<Buffers> done;
    for (std::int64_t first = 0; first < rows; first += most) {
        const std::int64_t count = std::min(most, rows - first);
        const auto part = ids.as<std::int32_t>().subspan(static_cast<std::size_t>(first * length),
                                                         static_cast<std::size_t>(count * length));
        Buffers wanted;
        for (const Port& port : session.outputs()) {
            wanted[port.tensor()] = session.empty(joined_shape(count, row_shape(port, length)), port.dtype);
        }
        const Array lot = Array::of<std::int32_t>(part, {count, length});
        done.push_back(session.run({{reads.tensor(), session.upload(lot)}}, wanted));
    }
    if (done.size() == 1) return done.front();
    Buffers all;
    for (const Port& port : session.outputs()) {
        std::vector<Array> lots;
        for (const Buffers& lot : done) lots.push_back(lot.at(port.tensor())->host());
        all[port.tensor()] = session.upload(joined(lots));
    }
    return all;
}

float float_of(float number) { return number; }
float float_of(Half number) { return to_float(number); }
float float_of(Brain number) { return to_float(number); }

template <typename Number>
Number rounded(float number) {
    if constexpr (std::is_same_v<Number, Half>) {
        return to_half(number);
    } else if constexpr (std::is_same_v<Number, Brain>) {
        return to_brain(number);
    } else {
        return number;
    }
}

// Apply the weight of each token to its `width` numbers. `size` numbers are a prompt's, and the last ones the empty
// prompt's. Each step is rounded to the numbers' type, as numpy does; those of weight 1 stay as they are, bit by bit.
template <typename Number>
void weigh(std::span<Number> numbers, std::span<const float> weights, std::size_t width, std::size_t size) {
    const auto round = [](float number) { return float_of(rounded<Number>(number)); };
    const auto empty = numbers.last(size);
    for (std::size_t token = 0; token < weights.size(); ++token) {
        const float weight = round(weights[token]);
        if (weight == 1) continue;
        for (std::size_t i = token * width; i < (token + 1) * width; ++i) {
            const float base = float_of(empty[i % size]);
            const float away = round(weight * round(float_of(numbers[i]) - base));
            numbers[i] = rounded<Number>(base + away);
        }
    }
}

// Embeddings `[P*K, L, D]` with weights `[P, K, L]`, the empty prompt's last.
Array weighed(const Array& array, const Array& weights) {
    Array made = array.clone();
    const auto width = static_cast<std::size_t>(array.shape().back());
    const std::size_t size = array.count() / static_cast<std::size_t>(weights.size(0));
    const auto factors = weights.as<float>();
    switch (array.dtype()) {
        case DType::float16: weigh(made.as<Half>(), factors, width, size); break;
        case DType::bfloat16: weigh(made.as<Brain>(), factors, width, size); break;
        default: weigh(made.as<float>(), factors, width, size);
    }
    return made;
}

}  // namespace

BufferPtr Embeddings::rows(std::span<const int> numbers) const {
    const int step = shape.size() == 1 ? pieces : 1;
    std::vector<int> places;
    for (const int number : numbers) places.push_back(std::max(number * step, -1));
    return session->gather(buffer, places, joined_shape(static_cast<std::int64_t>(numbers.size()), shape));
}

std::map<std::string, Embeddings, std::less<>> encode(const Engine& engine, const Tokens& read) {
    const std::int64_t prompts = read.ids.size(0), pieces = read.ids.size(1), length = read.ids.size(2);
    const bool weighted = std::ranges::any_of(read.weights.as<float>(), [](float weight) { return weight != 1; });
    const std::int64_t rows = (weighted ? prompts : prompts - 1) * pieces;
    const auto ids = read.ids.as<std::int32_t>().first(static_cast<std::size_t>(rows * length));
    const Buffers buffers = run(engine, Array::of<std::int32_t>(ids, {rows, length}));
    std::map<std::string, Embeddings, std::less<>> made;
    for (const Port& port : engine.session->outputs()) {
        BufferPtr buffer = buffers.at(port.tensor());
        Shape shape = row_shape(port, length);
        if (!is_pooled(port)) {
            if (weighted) buffer = engine.session->upload(weighed(buffer->host(), read.weights));
            shape[0] *= pieces;
        }
        made[port.tensor()] = {engine.session, std::move(buffer), static_cast<int>(pieces), std::move(shape)};
    }
    return made;
}

}  // namespace latentlink
