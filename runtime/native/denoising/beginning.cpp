#include "denoising/beginning.h"

#include <algorithm>
#include <memory>

#include "denoising/guidance.h"
#include "denoising/loop.h"
#include "samplers/noise.h"
#include "samplers/solvers/clean.h"

namespace latentlink {

namespace {

// Arrays below each other, along the first dimension.
Array concatenated(std::span<const Array> parts) {
    Shape shape = parts.front().shape();
    shape[0] = 0;
    for (const Array& part : parts) shape[0] += part.size(0);
    Array made(parts.front().dtype(), shape);
    auto into = made.bytes().begin();
    for (const Array& part : parts) into = std::ranges::copy(part.bytes(), into).out;
    return made;
}

template <typename Part>
Array concatenated(std::span<const Start> starts, Part part) {
    std::vector<Array> parts;
    for (const Start& start : starts) parts.push_back(part(start));
    return concatenated(parts);
}

// A function that draws noise of a shape from a seed; each call continues the stream.
DrawShape draw_from(const Request& request) {
    const std::shared_ptr<Noise> source = noise_source(request.noise, request.seed.bits);
    return [source](const Shape& shape) {
        Array noise(DType::float32, shape);
        source->normal(noise.as<float>());
        return noise;
    };
}

Shape without_rows(const Shape& shape) { return {shape.begin() + 1, shape.end()}; }

std::vector<std::array<float, 2>> clean_weights(const Picture& picture) {
    std::vector<std::array<float, 2>> made;
    for (const auto [u, v] : clean_coefficients(picture.table, prediction_of(*picture.request.schedule))) {
        made.push_back({static_cast<float>(u), static_cast<float>(v)});
    }
    return made;
}

Run run_of(const Picture& picture, const Texts& texts, std::optional<Around> around, Draw draw, const Slot& x) {
    return {.table = picture.table,
            .coefficients = coefficients(picture.table, around.has_value()),
            .clean = clean_weights(picture),
            .guidance = picture.request.guidance,
            .within = rows_within(picture.request, picture.table),
            .guided = picture.guided,
            .every = picture.request.step_cache,
            .texts = texts,
            .paired = picture.paired,
            .conditions = picture.conditions,
            .constant = {},
            .around = std::move(around),
            .draw = std::move(draw),
            .home = std::make_shared<Alone>(x)};
}

}  // namespace

std::vector<Draw> dealt(const Draw& draw, std::size_t count) {
    struct Turn {
        Array drawn;
        std::size_t left;
    };
    const auto turns = std::make_shared<std::map<std::size_t, Turn>>();
    std::vector<Draw> made;
    for (std::size_t row = 0; row < count; ++row) {
        made.push_back([turns, draw, count, row, taken = std::size_t{0}]() mutable {
            auto found = turns->find(taken);
            if (found == turns->end()) found = turns->emplace(taken, Turn{draw(), count}).first;
            ++taken;
            const Array mine = found->second.drawn.row(row);
            if (--found->second.left == 0) turns->erase(found);
            return mine;
        });
    }
    return made;
}

std::vector<Run> runs_of(std::span<const Picture> pictures, std::span<const Texts> texts, const Inputs& inputs,
                         Session& session, const Port& latent, const Encode& encode) {
    const Request& first = pictures.front().request;
    const std::size_t batch = pictures.size(), together = first.batch_seed ? batch : 1;
    const int downscale = latent.size('f');
    const Shape size = {latent.size('c'), first.height / downscale, first.width / downscale};
    const Shape shape = {static_cast<std::int64_t>(together), size[0], size[1], size[2]};
    std::vector<Start> starts;
    std::vector<Draw> draws;
    for (std::size_t number = 0; number < batch; number += together) {
        const Picture& picture = pictures[number];
        const DrawShape draw = draw_from(picture.request);
        starts.push_back(begin(together == batch ? inputs : inputs.of(number, batch), picture.request,
                               {.table = picture.table,
                                .shape = shape,
                                .latent = latent,
                                .ports = session.inputs(),
                                .draw = draw,
                                .encode = encode}));
        for (Draw& own : dealt([draw, shape] { return draw(shape); }, together)) draws.push_back(std::move(own));
    }
    const Array x = concatenated(starts, [](const Start& start) { return start.x; }).to(latent.dtype);
    const std::vector<Slot> rows = slots(session.upload(x), batch, size);
    std::vector<std::optional<Around>> around;
    for (const Start& start : starts) around.insert(around.end(), start.around.begin(), start.around.end());
    std::vector<Run> runs;
    for (std::size_t number = 0; number < batch; ++number) {
        runs.push_back(run_of(pictures[number], texts[number], around[number], draws[number], rows[number]));
    }
    for (const auto& [tensor, array] : starts.front().constant) {
        const Array whole =
            concatenated(starts, [&name = tensor](const Start& start) { return start.constant.at(name); });
        const auto own = slots(session.upload(whole), batch, without_rows(array.shape()));
        for (std::size_t number = 0; number < batch; ++number) runs[number].constant.emplace(tensor, own[number]);
    }
    for (Run& run : runs) run.begin();
    return runs;
}

}  // namespace latentlink
