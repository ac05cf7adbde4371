#include "denoising/run.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

namespace latentlink {

namespace {

// A number of float32 that rounds to any shorter type as the double does: the last bit of an inexact one is set.
float odd(double number) {
    const auto near = static_cast<float>(number);
    if (static_cast<double>(near) == number || !std::isfinite(near)) return near;
    const bool away = std::abs(static_cast<double>(near)) > std::abs(number);
    const auto bits = std::bit_cast<std::uint32_t>(near) - (away ? 1u : 0u);
    return std::bit_cast<float>(bits | 1u);
}

Shape with_rows(std::size_t rows, const Shape& shape) {
    Shape made = {static_cast<std::int64_t>(rows)};
    made.insert(made.end(), shape.begin(), shape.end());
    return made;
}

// Whether the rows are all of the first one's buffer, in order.
bool whole_buffer(std::span<const std::optional<Slot>> wanted, const Slot& first) {
    if (wanted.size() != static_cast<std::size_t>(first.rows)) return false;
    for (std::size_t row = 0; row < wanted.size(); ++row) {
        if (!wanted[row] || wanted[row]->row != static_cast<int>(row)) return false;
    }
    return true;
}

BufferPtr through_the_host(Session& session, std::span<const std::optional<Slot>> wanted, const Slot& first) {
    std::vector<Slot> known;
    for (const auto& slot : wanted) {
        if (slot) known.push_back(*slot);
    }
    const Array copies = on_host(known), zeros(copies.dtype(), first.shape);
    std::vector<Array> rows;
    std::size_t next = 0;
    for (const auto& slot : wanted) rows.push_back(slot ? copies.row(next++) : zeros);
    return session.upload(stack(rows));
}

template <typename Number, typename Round>
void blend(std::span<Number> x, const Around& around, Level level, Round round) {
    const auto mask = around.mask.as<float>(), picture = around.picture.as<float>(), noise = around.noise.as<float>();
    for (std::size_t i = 0; i < x.size(); ++i) {
        float inside;
        if constexpr (std::is_same_v<Number, float>) {
            inside = x[i];
        } else {
            inside = to_float(x[i]);
        }
        const float paint = mask[i % mask.size()];
        // the level is float64, in which numpy computes what it multiplies
        const double outside =
            level.signal * static_cast<double>(picture[i]) + level.noise * static_cast<double>(noise[i]);
        x[i] = round(static_cast<double>(paint * inside) + static_cast<double>(1 - paint) * outside);
    }
}

}  // namespace

std::vector<Slot> slots(const BufferPtr& buffer, std::size_t rows, const Shape& shape) {
    std::vector<Slot> made;
    for (std::size_t row = 0; row < rows; ++row) {
        made.push_back({buffer, static_cast<int>(row), static_cast<int>(rows), shape});
    }
    return made;
}

BufferPtr collect(Session& session, std::span<const std::optional<Slot>> wanted) {
    const auto found = std::ranges::find_if(wanted, [](const auto& slot) { return slot.has_value(); });
    if (found == wanted.end()) throw std::invalid_argument("no row says the shape of the others");
    const Slot& first = **found;
    const bool one =
        std::ranges::all_of(wanted, [&](const auto& slot) { return !slot || slot->buffer == first.buffer; });
    if (!one) return through_the_host(session, wanted, first);
    if (whole_buffer(wanted, first)) return first.buffer;
    std::vector<int> rows;
    for (const auto& slot : wanted) rows.push_back(slot ? slot->row : -1);
    return session.gather(first.buffer, rows, with_rows(rows.size(), first.shape));
}

Array on_host(std::span<const Slot> wanted) {
    std::map<const Buffer*, Array> arrays;
    std::vector<Array> rows;
    for (const Slot& slot : wanted) {
        const Buffer* buffer = slot.buffer.get();
        if (!arrays.contains(buffer)) arrays.emplace(buffer, slot.buffer->host());
        const Shape whole = with_rows(static_cast<std::size_t>(slot.rows), slot.shape);
        rows.push_back(arrays.at(buffer).reshaped(whole).row(static_cast<std::size_t>(slot.row)));
    }
    return stack(rows);
}

void Around::over(Array& x, Level level) const {
    switch (x.dtype()) {
        case DType::float32:
            blend(x.as<float>(), *this, level, [](double one) { return static_cast<float>(one); });
            return;
        case DType::float16: blend(x.as<Half>(), *this, level, [](double one) { return to_half(odd(one)); }); return;
        case DType::bfloat16:
            blend(x.as<Brain>(), *this, level, [](double one) { return to_brain(static_cast<float>(one)); });
            return;
        default: throw std::invalid_argument("latents are of a floating type");
    }
}

std::vector<bool> shallow_rows(const SamplerTable& table, int every, const std::vector<bool>& guided) {
    std::vector<bool> rows(table.rows.size());
    std::size_t whole = 0;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        rows[row] = (table.step[row] - table.step.front()) % every != 0 && guided[row] == guided[whole];
        if (!rows[row]) whole = row;
    }
    return rows;
}

void Run::begin() {
    shallow = shallow_rows(table, every, guided);
    draw_ahead();
}

Run::Key Run::key() const {
    Key key{{guided[row], shallow[row]}, {}};
    for (const auto& [tensor, text] : texts) key.second.push_back(text.prompt.shape);
    return key;
}

void Run::advance() {
    ++row;
    draw_ahead();
}

void Run::draw_ahead() {
    drawn.reset();
    if (!done() && table.draws[row]) drawn = draw();
}

}  // namespace latentlink
