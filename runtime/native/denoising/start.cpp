#include "denoising/start.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

bool clean(const Level& level) { return level.signal == CLEAN.signal && level.noise == CLEAN.noise; }

std::string numbers(const Level& level) {
    return "signal " + general(level.signal, 4) + ", noise " + general(level.noise, 4);
}

bool same(const Level& a, const Level& b) {
    const double apart = std::max(std::abs(a.signal - b.signal), std::abs(a.noise - b.noise));
    return apart <= LEVEL_TOLERANCE * std::max({a.signal, a.noise, b.signal, b.noise});
}

bool two_calls(const SamplerTable& table) {
    return std::set<int>(table.step.begin(), table.step.end()).size() < table.step.size();
}

// Refuse latents that hold another amount of noise than the run removes.
void check_level(const std::optional<Level>& level, const Request& request, const SamplerTable& table) {
    if (!level) return;
    const auto start = request.denoising_start;
    if (!start && clean(*level)) return;
    if (!start) {
        throw UsageError("The latents to start from are half way (" + numbers(*level) +
                             "); expected finished ones, or a denoising_start to go on from.",
                         "Give denoising_start: the denoising_end of the run that made them.");
    }
    if (clean(*level)) {
        throw UsageError(
            "denoising_start " + general(*start) + " goes on from latents that are half way, but these are finished.",
            "Give strength instead, or latents of a run with a denoising_end.");
    }
    const Level& begins = table.levels.front();
    if (same(begins, *level)) return;
    throw UsageError(
        "The latents to go on from hold " + numbers(*level) + ", but a run of " + std::to_string(request.steps) +
            " steps of " + request.sampler + " with denoising_start " + general(*start) + " begins with " +
            numbers(begins) + ".",
        two_calls(table)
            ? request.sampler + " calls the model twice a step and stops within one: hand over with another sampler."
            : "Use the same sampler, settings, steps and share as the run that made them.");
}

Array scaled(const Array& noise, float scale) {
    Array made = noise.clone();
    for (float& number : made.as<float>()) number *= scale;
    return made;
}

// The picture at a noise level.
Array noised(const Array& picture, const Array& noise, const Level& level) {
    const auto signal = static_cast<float>(level.signal), share = static_cast<float>(level.noise);
    Array made = picture.clone();
    const auto x = made.as<float>();
    const auto added = noise.as<float>();
    if (added.size() != x.size()) throw std::invalid_argument("a picture and its noise have one shape");
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = signal * x[i] + share * added[i];
    return made;
}

// Every `step`-th element of the rows and columns of a mask [B, 1, H, W], as of latents.
Array thinned(const Array& mask, std::int64_t step) {
    const std::int64_t B = mask.size(0), H = mask.size(2), W = mask.size(3);
    Array made(DType::float32, {B, 1, (H + step - 1) / step, (W + step - 1) / step});
    const auto from = mask.as<float>();
    auto into = made.as<float>().begin();
    for (std::int64_t b = 0; b < B; ++b) {
        for (std::int64_t y = 0; y < H; y += step) {
            for (std::int64_t x = 0; x < W; x += step) *into++ = from[static_cast<std::size_t>((b * H + y) * W + x)];
        }
    }
    return made;
}

Shape with_rows(std::size_t rows, Shape shape) {
    shape.at(0) = static_cast<std::int64_t>(rows);
    return shape;
}

// z of the pictures to start from [B, C, h, w], sampled from the posterior.
Array encoded(const Inputs& inputs, const Request& request, std::optional<Array> mask, const Beginning& with) {
    const Array picture = pixels(inputs.images, request.width, request.height);
    const auto count = static_cast<std::size_t>(picture.size(0));
    if (mask) mask = spread(*mask, count);
    const Array noise = with.draw(with_rows(count, with.shape));
    const auto batch = static_cast<std::size_t>(with.shape.at(0));
    return spread(with.encode(picture, mask, noise).to(DType::float32), batch);
}

std::string mask_tensor(const Beginning& with) {
    const auto found = std::ranges::find(with.ports, std::string("mask"), &Port::kind);
    if (found == with.ports.end()) throw std::invalid_argument("the denoiser reads no mask");
    return found->tensor();
}

bool reads(const Beginning& with, std::string_view slot) {
    const std::string tensor = with.latent.at(slot).tensor();
    return std::ranges::any_of(with.ports, [&tensor](const Port& port) { return port.tensor() == tensor; });
}

// Inputs of a denoiser that blends the picture around a mask in: all zeros if there is no mask.
std::map<std::string, Array, std::less<>> blended(const Beginning& with, const Array& mask, const Array& picture,
                                                  const Array& noise) {
    return {{with.latent.at("init").tensor(), picture.to(with.latent.dtype)},
            {with.latent.at("initnoise").tensor(), noise.to(with.latent.dtype)},
            {mask_tensor(with), mask}};
}

Start without_mask(Array x, const Beginning& with) {
    Start start{.x = std::move(x),
                .around = std::vector<std::optional<Around>>(static_cast<std::size_t>(with.shape[0]))};
    if (!reads(with, "init")) return start;
    const Array zeros(DType::float32, with.shape);
    Shape one_channel = with.shape;
    one_channel.at(1) = 1;
    start.constant = blended(with, Array(DType::float32, one_channel), zeros, zeros);
    return start;
}

// The first x of the pictures.
Array first_x(const std::optional<Array>& picture, const std::optional<Array>& latents, const Array& noise,
              const SamplerTable& table, bool from_noise, bool handed_over) {
    if (!picture || from_noise) return scaled(noise, static_cast<float>(table.start_scale));
    if (handed_over) return latents ? *latents : *picture;
    return noised(*picture, noise, table.levels.front());
}

}  // namespace

void check_inputs(const Inputs& inputs, const Request& request, std::size_t prompts, bool itself) {
    const std::size_t images = inputs.images.size(), masks = inputs.masks.size();
    const auto count = static_cast<std::size_t>(request.count);
    const bool something = images != 0 || inputs.latents;
    if (masks != 0 && images == 0) {
        throw UsageError("Received a mask without the picture that it lies over.", "Give init_image too.");
    }
    if (itself && masks == 0) {
        throw UsageError("This model paints inside a mask: it needs a picture and a mask.",
                         "Give init_image and mask_image.");
    }
    if (request.strength < 1 && !something) {
        throw UsageError(
            "strength " + general(request.strength) + " needs something to start from; expected a picture or latents.",
            "Give init_image or init_latents, or leave strength out.");
    }
    if (images != 0 && inputs.latents && !(masks != 0 && request.denoising_start)) {
        throw UsageError(
            "Received a picture and latents to start from; expected one, or both with a mask and denoising_start.");
    }
    if (request.denoising_start && !something) {
        throw UsageError("denoising_start " + repr(*request.denoising_start) + " needs latents to go on from.",
                         "Give init_latents.");
    }
    if (inputs.latents && inputs.latents->size(0) != 1 && inputs.latents->size(0) != request.count) {
        throw UsageError(std::to_string(inputs.latents->size(0)) + " latents to start from for " +
                         std::to_string(count) + " pictures; expected one, or one each.");
    }
    if (masks > 1 && masks != images) {
        throw UsageError(std::to_string(masks) + " masks for " + std::to_string(images) +
                         " pictures; expected one, or one each.");
    }
    if (images > 1 && images != prompts && images != count) {
        throw UsageError(std::to_string(images) + " pictures to start from for " + std::to_string(count) +
                         " to make; expected one, one a prompt, or one each.");
    }
}

Start begin(const Inputs& inputs, const Request& request, const Beginning& with) {
    const SamplerTable& table = with.table;
    const auto batch = static_cast<std::size_t>(with.shape.at(0));
    const bool itself = reads(with, "masked"), masked = !inputs.masks.empty();
    check_level(inputs.level, request, table);
    const bool handed_over = request.denoising_start.has_value();
    const bool from_noise = request.strength == 1 && !handed_over;
    std::optional<Array> latents;
    if (inputs.latents) latents = spread(*inputs.latents, batch);
    std::optional<Array> picture = latents;
    if (!inputs.images.empty() && !(masked && itself && from_noise)) picture = encoded(inputs, request, {}, with);
    const Array noise = !handed_over || masked ? with.draw(with.shape) : Array(DType::float32, with.shape);
    const Array x = first_x(picture, latents, noise, table, masked && from_noise, handed_over);
    if (!masked) return without_mask(x, with);
    const Array mask = mask_pixels(inputs.masks, request.width, request.height);
    const Array small = spread(thinned(mask, with.latent.size('f')), batch);
    Start start{.x = x, .around = std::vector<std::optional<Around>>(batch)};
    if (itself) {
        start.constant = {
            {with.latent.at("masked").tensor(), encoded(inputs, request, mask, with).to(with.latent.dtype)},
            {mask_tensor(with), small}};
        return start;
    }
    // diffusers also samples the masked picture here, which advances the stream of the later noise
    with.draw(with_rows(inputs.images.size(), with.shape));
    const Array below = picture ? *picture : x;
    for (std::size_t i = 0; i < batch; ++i) {
        start.around[i] = Around{.mask = small.row(i), .picture = below.row(i), .noise = noise.row(i)};
    }
    if (reads(with, "init")) start.constant = blended(with, small, below, noise);
    return start;
}

Array spread(const Array& array, std::size_t batch) {
    const auto rows = static_cast<std::size_t>(array.size(0));
    if (rows == batch) return array;
    std::vector<Array> repeated;
    for (std::size_t row = 0; row < rows; ++row) repeated.insert(repeated.end(), batch / rows, array.row(row));
    return stack(repeated);
}

}  // namespace latentlink
