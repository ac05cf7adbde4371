#include "vae/autoencoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "linking/engine_memory.h"
#include "request/limits.h"
#include "vae/canvas.h"
#include "vocabulary/amounts.h"
#include "vocabulary/checks.h"
#include "vocabulary/errors.h"

namespace latentlink {

namespace {

// Bytes per pixel that is blended and then rounded: three float32 numbers and three 8-bit ones.
constexpr std::int64_t BLENDED = 15;

constexpr std::int64_t COLOURS = 3;

// The port of a kind that links; the linker has seen that it is there.
const Port& single(const std::vector<Port>& ports, std::string_view kind) {
    const auto found =
        std::ranges::find_if(ports, [kind](const Port& port) { return port.kind == kind && port.slot.empty(); });
    if (found == ports.end()) throw std::invalid_argument("a half of a VAE lacks a port");
    return *found;
}

const Engine& half(const std::optional<Engine>& engine, const std::string& name, const std::string& component) {
    if (engine) return *engine;
    throw UsageError("The bundle " + name + " has no " + component + ".",
                     "Take it from a bundle of the same latent space: --replace " + component + "=BUNDLE (replace={\"" +
                         component + "\": BUNDLE}), or export and build it with both halves.");
}

std::string written(const Shape& shape) {
    std::string listed;
    for (const std::int64_t size : shape) listed += (listed.empty() ? "" : ", ") + std::to_string(size);
    return "[" + listed + "]";
}

// The one row of what an engine wrote, in memory of its own.
// Throws BundleError: it is of another shape.
Array only_row(const Engine& engine, const Buffer& made, const Shape& expected) {
    if (made.shape() != expected) {
        throw BundleError(engine.title() + " wrote a tensor of shape " + written(made.shape()) + "; expected " +
                              written(expected) + ".",
                          "Build the bundle again.");
    }
    return made.host().row(0);
}

// `[rows, columns]` to `[columns, rows]`, of elements of so many bytes.
void transpose(std::span<const std::byte> from, std::span<std::byte> into, std::size_t rows, std::size_t columns,
               std::size_t size) {
    for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t column = 0; column < columns; ++column) {
            std::copy_n(from.data() + (row * columns + column) * size, size,
                        into.data() + (column * rows + row) * size);
        }
    }
}

// The same elements with the last dimension first: `[h, w, C]` to `[C, h, w]`.
Array channels_first(const Array& array) {
    const auto cells = static_cast<std::size_t>(array.size(0) * array.size(1));
    Array made(array.dtype(), {array.size(2), array.size(0), array.size(1)});
    transpose(array.bytes(), made.bytes(), cells, static_cast<std::size_t>(array.size(2)), size_of(array.dtype()));
    return made;
}

// The same elements with the first dimension last: `[C, h, w]` to `[h, w, C]`.
Array channels_last(const Array& array) {
    const auto cells = static_cast<std::size_t>(array.size(1) * array.size(2));
    Array made(array.dtype(), {array.size(1), array.size(2), array.size(0)});
    transpose(array.bytes(), made.bytes(), static_cast<std::size_t>(array.size(0)), cells, size_of(array.dtype()));
    return made;
}

// The array as a batch of one.
Array batched(const Array& array) {
    Shape shape = array.shape();
    shape.insert(shape.begin(), 1);
    return array.reshaped(shape);
}

// Blended numbers as 8-bit ones, to the nearest even.
Array rounded(const Array& blended) {
    Array made(DType::uint8, blended.shape());
    std::ranges::transform(blended.as<float>(), made.as<std::uint8_t>().begin(), [](float number) {
        return static_cast<std::uint8_t>(std::clamp(std::nearbyint(number), 0.0F, 255.0F));
    });
    return made;
}

}  // namespace

Autoencoder::Autoencoder(std::string name, LinkedVae linked, std::optional<std::int64_t> memory)
    : name_(std::move(name)), linked_(std::move(linked)), memory_(memory) {
    if (memory_) byte_count("vae_memory", *memory_);
}

std::map<std::string, std::int64_t> Autoencoder::passes(int width, int height, bool encode, bool decode) {
    std::vector<const Engine*> engines;
    if (decode) engines.push_back(&decoder());
    if (encode && linked_.encoder) engines.push_back(&*linked_.encoder);
    std::map<std::string, std::int64_t> found;
    for (const Engine* engine : engines) {
        const std::int64_t count = mosaic(*engine, height / downscale(), width / downscale()).passes();
        if (count > 1) found.emplace(engine->component, count);
    }
    return found;
}

std::vector<Array> Autoencoder::decode(const Array& latents, const BufferPtr& written) {
    const Mosaic cut = mosaic(decoder(), latents.size(2), latents.size(3));
    Session& session = *decoder().session;
    const BufferPtr taken = written != nullptr && cut.passes() == 1 ? session.take(written) : nullptr;
    const Array z = latents.to(linked_.latent.dtype);
    const auto run = [this](std::span<const Array> inputs) { return decode_pass(inputs[0]); };
    std::vector<Array> pictures;
    for (int number = 0; number < static_cast<int>(latents.size(0)); ++number) {
        const Array row = z.row(static_cast<std::size_t>(number));
        if (taken != nullptr) {
            pictures.push_back(decode_buffer(session.gather(taken, std::span(&number, 1), batched(row).shape())));
        } else if (cut.passes() == 1) {
            pictures.push_back(decode_buffer(session.upload(batched(row))));
        } else {
            const Array cells = channels_last(row);
            pictures.push_back(rounded(in_passes(run, std::span(&cells, 1), cut)));
        }
    }
    return pictures;
}

Array Autoencoder::encode(const Array& pictures, const Array* mask, const Array& noise) {
    const Mosaic cut = mosaic(encoder(), noise.size(2), noise.size(3));
    const DType dtype = linked_.latent.dtype;
    const auto count = static_cast<std::size_t>(pictures.size(0));
    if (noise.size(0) != pictures.size(0) || (mask != nullptr && mask->size(0) != pictures.size(0))) {
        throw std::invalid_argument("pictures, masks and noise are of one batch");
    }
    const Array drawn = noise.to(dtype);
    const auto run = [this](std::span<const Array> inputs) { return encode_pass(inputs); };
    std::vector<Array> rows;
    for (std::size_t number = 0; number < count; ++number) {
        const Array seen = pictures.row(number);
        const Shape hides = {seen.size(0), seen.size(1), 1};
        const std::array inputs = {seen,
                                   mask == nullptr ? Array(DType::float32, hides) : mask->row(number).reshaped(hides),
                                   channels_last(drawn.row(number))};
        const Array made = cut.passes() == 1 ? encode_pass(inputs) : in_passes(run, inputs, cut);
        rows.push_back(channels_first(made.to(dtype)));
    }
    return stack(rows);
}

const Engine& Autoencoder::decoder() const { return half(linked_.decoder, name_, "vae_decoder"); }
const Engine& Autoencoder::encoder() const { return half(linked_.encoder, name_, "vae_encoder"); }

// One pass: z `[h, w, C]` to uint8 `[H, W, 3]`.
Array Autoencoder::decode_pass(const Array& z) const {
    return decode_buffer(decoder().session->upload(batched(channels_first(z))));
}

// z `[1, C, h, w]` to uint8 `[H, W, 3]`.
Array Autoencoder::decode_buffer(const BufferPtr& z) const {
    Session& session = *decoder().session;
    const std::string reads = single(session.inputs(), "latent").tensor();
    const std::string writes = single(session.outputs(), "image").tensor();
    const Buffers made = session.run({{reads, z}}, {{writes, nullptr}});
    const std::int64_t height = z->shape().at(2) * downscale(), width = z->shape().at(3) * downscale();
    return only_row(decoder(), *made.at(writes), {1, height, width, COLOURS});
}

// One pass: picture `[H, W, 3]`, mask `[H, W, 1]` and noise `[h, w, C]` to z `[h, w, C]`.
Array Autoencoder::encode_pass(std::span<const Array> inputs) const {
    Session& session = *encoder().session;
    const auto& ports = session.inputs();
    const auto covers = std::ranges::find(ports, "mask", &Port::kind);
    if (covers == ports.end()) throw std::invalid_argument("a VAE's encoder lacks a port");
    const std::string writes = single(session.outputs(), "latent").tensor();
    const Array &picture = inputs[0], &mask = inputs[1];
    const Array noise = channels_first(inputs[2]);
    const Buffers feeds = {
        {single(ports, "image").tensor(), session.upload(batched(picture))},
        {covers->tensor(), session.upload(batched(channels_first(mask)))},
        {linked_.latent.at("noise").tensor(), session.upload(batched(noise))},
    };
    const Buffers made = session.run(feeds, {{writes, nullptr}});
    return channels_last(only_row(encoder(), *made.at(writes), batched(noise).shape()));
}

// How a latent of this size is cut into passes of an engine.
Mosaic Autoencoder::mosaic(const Engine& engine, std::int64_t height, std::int64_t width) {
    const CanvasLimits limits = canvas_limits(engine);
    const auto check = [&] {
        check_limits(std::span(&engine, 1), static_cast<int>(width * downscale()),
                     static_cast<int>(height * downscale()), 1, static_cast<int>(downscale()));
    };
    if (height < limits.least_height || width < limits.least_width) check();
    Room room = {.cells = UNLIMITED * UNLIMITED, .needed = 0};
    if (memory_) {
        const std::scoped_lock held(measuring());
        room = cells(engine, height * width, *memory_);
    }
    if (auto cut = fit(height, width, room.cells, limits)) return *std::move(cut);
    if (!memory_) check();
    const auto pixels = [this](std::int64_t least) { return std::to_string(std::max(SMALLEST, least) * downscale()); };
    throw UsageError(engine.title() + " may take " + bytes_in_words(memory_.value_or(0)) +
                         ", but its smallest pass, of " + pixels(limits.least_width) + "x" +
                         pixels(limits.least_height) + " pixels, needs about " + bytes_in_words(room.needed) + ".",
                     "Allow at least that: vae_memory=" + std::to_string(room.needed) + ".");
}

// Cells that fit `memory`, and the bytes that the smallest pass needs; measured if not known yet.
Room Autoencoder::cells(const Engine& engine, std::int64_t wanted, std::int64_t memory) {
    Known& known = known_[engine.component];
    if (wanted <= known.wanted) return {known.cells, known.needed};
    if (reopen(*engine.session)) known.peak = 0;  // the memory of its passes was released
    const std::int64_t blended = BLENDED * wanted * downscale() * downscale();
    const std::int64_t before = resident_bytes() - known.peak;
    const CanvasLimits limits = canvas_limits(engine);
    const auto probe = [&](std::int64_t side) -> Measured {
        const std::int64_t height = std::min(std::max(side, limits.least_height), limits.most_height);
        const std::int64_t width = std::min(std::max(side, limits.least_width), limits.most_width);
        const std::int64_t peak = peak_of([&] { try_pass(engine, height, width); });
        known.peak = std::max(known.peak, peak - before);
        return {height * width, std::max<std::int64_t>(known.peak, 1)};
    };
    const Room room = largest(probe, memory - blended, SMALLEST, wanted);
    known.cells = room.cells;
    known.needed = room.needed + blended;
    known.wanted = wanted;
    return {known.cells, known.needed};
}

// Run one pass over zeros.
void Autoencoder::try_pass(const Engine& engine, std::int64_t height, std::int64_t width) const {
    const Array z(linked_.latent.dtype, {height, width, linked_.latent.size('c')});
    if (linked_.decoder && engine.session == linked_.decoder->session) {
        decode_pass(z);
        return;
    }
    const std::int64_t rows = height * downscale(), columns = width * downscale();
    encode_pass(
        std::array{Array(DType::uint8, {rows, columns, COLOURS}), Array(DType::float32, {rows, columns, 1}), z});
}

}  // namespace latentlink
