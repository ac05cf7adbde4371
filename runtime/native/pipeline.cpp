#include "pipeline.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "request/limits.h"
#include "samplers/noise.h"
#include "samplers/resolve.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::string_view AGAIN = "Load the bundle again.";

int nearest_multiple(std::int64_t side, int multiple) {
    const auto count = static_cast<int>(std::nearbyint(static_cast<double>(side) / multiple));  // halves to even
    return std::max(count, 1) * multiple;
}

std::string size_text(std::int64_t width, std::int64_t height) {
    return std::to_string(width) + "x" + std::to_string(height);
}

// A picture of one colour: black, or a white mask.
Image blank(int width, int height, int channels) {
    Array pixels(DType::uint8, {height, width, channels});
    if (channels == 1) std::ranges::fill(pixels.as<std::uint8_t>(), std::uint8_t{255});
    return Image::of(pixels);
}

}  // namespace

class Pipeline::Working {
  public:
    explicit Working(Pipeline& pipe) : pipe_(pipe), active_(begun()) {}
    ~Working() {
        const std::lock_guard held(pipe_.lock_);
        pipe_.calls_.erase(&call_);
    }
    Working(const Working&) = delete;
    Working& operator=(const Working&) = delete;

  private:
    Call& begun() {
        pipe_.check_open();
        const std::lock_guard held(pipe_.lock_);
        pipe_.calls_.insert(&call_);
        return call_;
    }

    Pipeline& pipe_;
    Call call_;
    Call::Active active_;
};

Pipeline::Pipeline(Loaded loaded)
    : loaded_(std::move(loaded)),
      vae_(Autoencoder(loaded_.name, loaded_.halves, loaded_.vae_memory), std::move(loaded_.wider)),
      previews_(loaded_.name, loaded_.previews ? *loaded_.previews : loaded_.halves, loaded_.vae_memory),
      process_(getpid()) {}

Pipeline::~Pipeline() { close(); }

const Linked& Pipeline::linked() const {
    if (loaded_.linked) return *loaded_.linked;
    std::string components;
    for (const Engine& one : loaded_.engines) components += (components.empty() ? "" : ", ") + one.component;
    throw UsageError(
        name() + " is a VAE alone (" + components + "): it has no denoiser and no text encoder to draw with.",
        "It encodes, decodes and transfers. To draw, take the bundle of a whole model; it can use this VAE "
        "if the latent spaces are the same: --replace vae_decoder=BUNDLE.");
}

std::vector<Engine> Pipeline::whole_engines() const {
    std::vector<Engine> whole;
    for (const Engine& one : loaded_.engines) {
        const auto is = [&](const std::optional<Engine>& half) { return half && half->session == one.session; };
        if (!is(loaded_.halves.decoder) && !is(loaded_.halves.encoder)) whole.push_back(one);
    }
    return whole;
}

Result Pipeline::generate(const Given& given, const OnStep& on_step) {
    const Working working(*this);
    Given asked = given;
    asked.options = requested(given.options);
    Generation generation(*this, asked, static_cast<bool>(on_step));
    while (const auto progress = generation.advance()) {
        if (!on_step) continue;
        const Answer answer = on_step(*progress);
        if (!answer.go_on) {
            throw Cancelled("Cancelled by on_step after row " + std::to_string(progress->row) + " of " +
                            std::to_string(progress->rows) + ".");
        }
        generation.change(answer.change);
    }
    return generation.finish();
}

PromptEmbeddings Pipeline::encode_prompt(const Json& prompt, const Json& negative_prompt, std::string_view guard) {
    const Working working(*this);
    const Guard watch = Guard::of(guard, {});
    const Linked& linked = this->linked();
    Json options = Json::object();
    if (!negative_prompt.is_null()) options["negative_prompt"] = negative_prompt;
    const std::vector<Request> requests = resolve(sampling(), prompt, options);
    const std::vector<Texts> texts = read_texts(linked, prompts(), requests, std::vector<bool>(requests.size(), true));
    for (const LinkedText& text : linked.texts) {
        for (const Array& array : embeddings(texts, text.tensor)) watch.embedding(text.engine.component, array);
    }
    std::vector<std::string> positive;
    std::vector<std::optional<std::string>> negative;
    for (const Request& request : requests) {
        positive.push_back(request.prompt);
        negative.push_back(request.negative_prompt);
    }
    return PromptEmbeddings(std::move(positive), std::move(negative), download_texts(texts));
}

void Pipeline::warm_up(const WarmUpOptions& options) {
    const int width = options.width.value_or(static_cast<int>(sampling().width));
    const int height = options.height.value_or(static_cast<int>(sampling().height));
    const bool decodes = loaded_.halves.decoder.has_value(), draws = loaded_.linked.has_value();
    if (draws) {
        Given given{.prompt = ""};
        given.options = {{"sampler", samplers_for(read_schedule(sampling().schedule)).front()},  // takes a single step
                         {"steps", 1},
                         {"seed", 0},
                         {"step_cache", 1},
                         {"guard", "off"}};  // what one step makes is no picture
        if (options.width) given.options["width"] = width;
        if (options.height) given.options["height"] = height;
        if (options.num_images) given.options["num_images"] = *options.num_images;
        const auto masked = [](const Port& port) { return port.kind == "latent" && port.slot == "masked"; };
        if (std::ranges::any_of(linked().denoiser.session->inputs(), masked)) {
            given.init_images = {blank(width, height, 3)};
            given.masks = {blank(width, height, 1)};
        }
        given.options["decode"] = decodes;
        generate(given);
        if (linked().shallow) {
            given.options.update({{"steps", 2}, {"step_cache", 2}, {"decode", false}});
            try {
                generate(given);
            } catch (const UsageError&) {  // a step cache below the gate is never used
            }
        }
    }
    if (!loaded_.halves.encoder) return;
    const Image picture = blank(width, height, 3);
    const Latents latents = encode(std::span(&picture, 1), {}, "off");
    if (decodes && !draws) decode(latents, "off");
}

std::vector<Image> Pipeline::decode(const Latents& latents, std::string_view guard) {
    const Working working(*this);
    Guard watch = Guard::of(guard, sampling().ranges);
    const Array& array = check_latents(latents, space(), name()).array;
    watch.latents("latents", array, CLEAN);
    std::vector<Image> images;
    for (const Array& pixels : vae_.decode(watch, array, true)) images.push_back(Image::of(pixels));
    return images;
}

std::vector<Image> Pipeline::preview(const Array& latents) {
    const Working working(*this);
    const Shape& shape = latents.shape();
    if (shape.size() != 4 || shape[1] != space().channels || latents.count() == 0) {
        std::string sizes;
        for (const auto size : shape) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
        throw UsageError("latents is an array of shape (" + sizes +
                             "); expected an array of floating-point numbers [B, " + std::to_string(space().channels) +
                             ", h, w].",
                         "In on_step, progress.predicted() makes one; decode reads latentlink.Latents.");
    }
    std::vector<Image> images;
    for (const Array& pixels : previews_.decode(latents)) images.push_back(Image::of(pixels));
    return images;
}

Latents Pipeline::encode(std::span<const Image> images, const Json& seed, std::string_view guard) {
    const Working working(*this);
    Guard watch = Guard::of(guard, sampling().ranges);
    const std::vector<Image> listed = as_list({images.begin(), images.end()});
    const std::int64_t width = listed.front().width(), height = listed.front().height();
    for (const Image& image : listed) {
        if (image.width() == width && image.height() == height) continue;
        throw UsageError("The pictures are " + size_text(width, height) + " and " +
                         size_text(image.width(), image.height()) + "; expected one size.");
    }
    const int downscale = space().downscale;
    if (width % downscale != 0 || height % downscale != 0) {
        const int near_width = nearest_multiple(width, downscale), near_height = nearest_multiple(height, downscale);
        throw UsageError(
            "The picture is " + size_text(width, height) + "; expected multiples of " + std::to_string(downscale) + ".",
            "Resize it to " + size_text(near_width, near_height) + ", as encode --fit does.");
    }
    Array noise(DType::float32,
                {static_cast<std::int64_t>(listed.size()), space().channels, height / downscale, width / downscale});
    if (!seed.is_null()) {
        const std::vector<Seed> drawn = seeds(seed, listed.size());
        for (std::size_t number = 0; number < listed.size(); ++number) {
            Array row = noise.row(number);
            noise_source("torch", drawn[number].bits)->normal(row.as<float>());
        }
    }
    const Array pictures = pixels(listed, static_cast<int>(width), static_cast<int>(height));
    return Latents::checked({.array = vae_.encode(watch, pictures, nullptr, noise), .space = space()});
}

TransferResult Pipeline::transfer_to(Pipeline& destination, const Latents& latents, const TransferOptions& options,
                                     const std::string& guard) {
    const Working working(*this), working_too(destination);
    return transfer(latents, transfer_end(guard), destination.transfer_end(guard), options);
}

TransferEnd Pipeline::transfer_end(std::string guard) {
    return {.name = name(),
            .space = space(),
            .size_multiple = static_cast<int>(sampling().size_multiple),
            .whole_engines = whole_engines(),
            .decode =
                [this, guard](const Latents& latents) {
                    std::vector<Array> pixels;
                    for (const Image& image : decode(latents, guard)) pixels.push_back(image.pixels);
                    return pixels;
                },
            .encode =
                [this, guard](std::span<const Array> pictures) {
                    std::vector<Image> images;
                    for (const Array& picture : pictures) images.push_back(Image::of(picture));
                    return encode(images, {}, guard);
                }};
}

void Pipeline::cancel() {
    const std::lock_guard held(lock_);
    for (Call* call : calls_) call->cancel("Pipeline.cancel");
}

void Pipeline::close() {
    if (process_ != getpid()) return;
    {
        const std::lock_guard held(lock_);
        closed_ = true;
    }
    for (const Engine& engine : loaded_.engines) engine.session->close();
    if (loaded_.previews && loaded_.previews->decoder) loaded_.previews->decoder->session->close();
    vae_.close();
}

void Pipeline::check_open() const {
    if (process_ != getpid()) {
        throw UsageError(
            "The pipeline of " + name() + " was opened before this process was forked; expected one of its own.",
            "Load the bundle in each process, after the fork.");
    }
    const std::lock_guard held(lock_);
    if (closed_) {
        throw UsageError("The pipeline of " + name() + " is closed; expected an open one.", std::string(AGAIN));
    }
}

}  // namespace latentlink
