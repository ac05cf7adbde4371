#include "vae/vae_double.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "sessions/host_session.h"
#include "vocabulary/errors.h"
#include "vocabulary/spaces.h"

namespace latentlink {

namespace {

Port mask_port() {
    return {.kind = "mask",
            .name = "repaint",
            .layout = {{'f', 1}},
            .dtype = DType::float32,
            .digest = "00000000",
            .shape = {Dim("B"), Dim(std::int64_t{1}), Dim("H"), Dim("W")}};
}

const Array& of_kind(const std::vector<std::pair<Port, Array>>& read, std::string_view kind) {
    return std::ranges::find_if(read, [kind](const auto& one) { return one.first.kind == kind; })->second;
}

// Element of a row of a batch of one, `[1, A, B, C]`.
std::size_t place(const Array& array, std::int64_t a, std::int64_t b, std::int64_t c) {
    return static_cast<std::size_t>((a * array.size(2) + b) * array.size(3) + c);
}

// Picture `[1, H, W, 3]`, mask `[1, 1, H, W]` and noise `[1, C, h, w]` to z `[1, C, h, w]`.
Array encoded(const Array& picture, const Array& mask, const Array& noise) {
    const Array drawn = noise.to(DType::float32);
    Array made(DType::float32, noise.shape());
    constexpr double CELL = DOUBLE_SCALE * DOUBLE_SCALE;
    for (std::int64_t channel = 0; channel < made.size(1); ++channel) {
        for (std::int64_t y = 0; y < made.size(2); ++y) {
            for (std::int64_t x = 0; x < made.size(3); ++x) {
                std::int64_t sum = 0, hidden = 0;
                for (std::int64_t i = y * DOUBLE_SCALE; i < (y + 1) * DOUBLE_SCALE; ++i) {
                    for (std::int64_t j = x * DOUBLE_SCALE; j < (x + 1) * DOUBLE_SCALE; ++j) {
                        sum += picture.as<std::uint8_t>()[place(picture, i, j, channel % 3)];
                        hidden += mask.as<float>()[place(mask, 0, i, j)] != 0 ? 1 : 0;
                    }
                }
                const std::size_t at = place(made, channel, y, x);
                const double shown = 1 - static_cast<double>(hidden) / CELL;
                made.as<float>()[at] = static_cast<float>((static_cast<double>(sum) / CELL / 127.5 - 1) * shown +
                                                          0.1 * static_cast<double>(drawn.as<float>()[at]));
            }
        }
    }
    return made.to(noise.dtype());
}

// z `[1, C, h, w]` as `[h, w, C]`.
Array cells_last(const Array& z) {
    const Array numbers = z.to(DType::float32);
    Array made(DType::float32, {z.size(2), z.size(3), z.size(1)});
    auto into = made.as<float>().begin();
    for (std::int64_t y = 0; y < z.size(2); ++y) {
        for (std::int64_t x = 0; x < z.size(3); ++x) {
            for (std::int64_t channel = 0; channel < z.size(1); ++channel) {
                *into++ = numbers.as<float>()[place(z, channel, y, x)];
            }
        }
    }
    return made;
}

class DoubleSession final : public Session {
  public:
    DoubleSession(std::vector<Port> inputs, Port output, Spoil spoil)
        : inputs_(std::move(inputs)), outputs_{std::move(output)}, spoil_(std::move(spoil)) {}

    const std::vector<Port>& inputs() const override { return inputs_; }
    const std::vector<Port>& outputs() const override { return outputs_; }
    BufferPtr upload(const Array& array) override { return std::make_shared<HostBuffer>(array.clone()); }
    BufferPtr empty(const Shape& shape, DType dtype) override {
        return std::make_shared<HostBuffer>(Array(dtype, shape));
    }
    void write(Buffer&, const Array&) override { throw std::logic_error("a VAE writes into no buffer"); }
    BufferPtr take(const BufferPtr& buffer) override { return buffer; }
    BufferPtr gather(const BufferPtr& buffer, std::span<const int> rows, const Shape&) override {
        std::vector<Array> picked;
        for (const int row : rows) picked.push_back(buffer->host().row(static_cast<std::size_t>(row)));
        return std::make_shared<HostBuffer>(stack(picked));
    }
    Buffers run(const Buffers& inputs, const Buffers& outputs) override {
        if (closed_) throw UsageError("The session is closed.");
        std::vector<std::pair<Port, Array>> read;
        for (const Port& port : inputs_) read.emplace_back(port, inputs.at(port.tensor())->host());
        const Array& z = of_kind(read, "latent");
        Array made;
        if (outputs_.front().kind == "image") {
            made = double_decoded(cells_last(z));
            made = made.reshaped({1, made.size(0), made.size(1), 3});
        } else {
            made = encoded(of_kind(read, "image"), of_kind(read, "mask"), z);
        }
        if (spoil_) made = spoil_(made);
        return {{outputs.begin()->first, std::make_shared<HostBuffer>(made)}};
    }
    std::map<std::string, int> placement() const override { return {}; }
    void wait() override {}
    void trim() override {}
    void close() override { closed_ = true; }

  private:
    std::vector<Port> inputs_, outputs_;
    Spoil spoil_;
    bool closed_ = false;
};

}  // namespace

Array double_decoded(const Array& z, int tone) {
    const std::int64_t height = z.size(0), width = z.size(1), channels = z.size(2);
    const Array numbers = z.to(DType::float32);
    Array made(DType::uint8, {height * DOUBLE_SCALE, width * DOUBLE_SCALE, 3});
    auto into = made.as<std::uint8_t>().begin();
    for (std::int64_t y = 0; y < made.size(0); ++y) {
        for (std::int64_t x = 0; x < made.size(1); ++x) {
            for (std::int64_t colour = 0; colour < 3; ++colour) {
                const std::int64_t cell = (y / DOUBLE_SCALE * width + x / DOUBLE_SCALE) * channels + colour % channels;
                const auto pattern = static_cast<double>(3 * (y % DOUBLE_SCALE) + 2 * (x % DOUBLE_SCALE));
                const double number = static_cast<double>(numbers.as<float>()[static_cast<std::size_t>(cell)]);
                const double bright = 128 + 40 * number + pattern + tone;
                *into++ = static_cast<std::uint8_t>(std::clamp(std::nearbyint(bright), 0.0, 255.0));
            }
        }
    }
    return made;
}

LinkedVae double_vae(DType dtype, std::optional<std::pair<std::int64_t, std::int64_t>> sides, Spoil spoil,
                     Spoil spoil_encoder) {
    const Port latent =
        latent_port({.name = "double", .channels = 4, .downscale = DOUBLE_SCALE, .scaling = 0.5}, dtype);
    const auto engine = [&](std::string component, std::vector<Port> inputs, Port output, Spoil spoils) {
        Engine made = {
            .component = std::move(component),
            .bundle = "double",
            .session = std::make_shared<DoubleSession>(std::move(inputs), std::move(output), std::move(spoils)),
            .declared = {}};
        if (sides) {
            made.limits["h"] = {sides->first, sides->first, sides->first};
            made.limits["w"] = {sides->second, sides->second, sides->second};
        }
        return made;
    };
    return {.decoder = engine("vae_decoder", {latent}, image_port(), std::move(spoil)),
            .encoder = engine("vae_encoder", {image_port(), mask_port(), latent.at("noise")}, latent,
                              std::move(spoil_encoder)),
            .latent = latent};
}

}  // namespace latentlink
