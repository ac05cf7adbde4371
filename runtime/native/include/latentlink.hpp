// LatentLink's C++ interface: the C interface with owners, views and exceptions. Header only, C++20.
//
//     latentlink::Pipeline pipeline("bundle");
//     latentlink::Result result = pipeline.generate("a red circle", {.seeds = {7}, .steps = {20}});
//     result.write_png("out.png");
//
// Options are named in the order of their declaration, as C++ requires it.
//
// Threads may share a Pipeline; each call returns what it would return alone. A moved-from object can only be assigned
// to or destroyed.
#pragma once

#include <cmath>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "latentlink.h"

// The inline namespace keeps these names apart from the library's own where it is linked statically.
namespace latentlink::inline api {

// What the C interface calls an error. `what()` is the message and the remedy.
class Failure : public std::exception {
  public:
    Failure(latentlink_status status, std::string message, std::string remedy, std::string json)
        : status_(status), message_(std::move(message)), remedy_(std::move(remedy)), json_(std::move(json)),
          text_(remedy_.empty() ? message_ : message_ + " " + remedy_) {}

    latentlink_status status() const noexcept { return status_; }     // the command line's exit status
    const std::string& message() const noexcept { return message_; }  // what was received and what was expected
    const std::string& remedy() const noexcept { return remedy_; }    // what to do; may be empty
    const std::string& json() const noexcept { return json_; }        // all of it
    const char* what() const noexcept override { return text_.c_str(); }

  private:
    latentlink_status status_;
    std::string message_, remedy_, json_, text_;
};

namespace detail {

template <auto free>
struct Free {
    template <typename Handle>
    void operator()(Handle* handle) const noexcept {
        free(handle);
    }
};

template <typename Handle, auto free>
using Owner = std::unique_ptr<Handle, Free<free>>;

// Call a function of the C interface, whose last argument is the error, and throw what it reports.
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
    latentlink_error* raw = nullptr;
    const latentlink_status status = function(arguments..., &raw);
    const Owner<latentlink_error, latentlink_error_free> error(raw);
    if (status == LATENTLINK_DONE) return;
    if (!error) throw Failure(status, "out of memory", "", "{}");
    throw Failure(status, latentlink_error_message(raw), latentlink_error_remedy(raw), latentlink_error_json(raw));
}

}  // namespace detail

// A view of a picture: 8-bit sRGB, row after row.
struct PictureView {
    std::span<const std::uint8_t> pixels;
    std::uint32_t width = 0, height = 0;

    PictureView() = default;
    PictureView(std::span<const std::uint8_t> bytes, std::uint32_t wide, std::uint32_t high)
        : pixels(bytes), width(wide), height(high) {
        if (bytes.size() != std::size_t{3} * wide * high) throw std::invalid_argument("a pixel has three bytes");
    }
    explicit PictureView(const latentlink_picture& view)
        : pixels(view.pixels, view.pixels == nullptr ? 0 : std::size_t{3} * view.width * view.height),
          width(view.width), height(view.height) {}

    latentlink_picture c() const { return {pixels.data(), width, height}; }
};

// Pictures of one size.
class Pictures {
  public:
    explicit Pictures(latentlink_pictures* owned) : handle_(owned) {}

    // A PNG or JPEG file as RGB, turned as its EXIF data say.
    static Pictures read(const std::string& path) {
        latentlink_pictures* made = nullptr;
        detail::call(latentlink_pictures_read, path.c_str(), &made);
        return Pictures(made);
    }

    std::size_t size() const { return latentlink_pictures_count(handle_.get()); }
    PictureView operator[](std::size_t number) const {
        return PictureView(latentlink_pictures_at(handle_.get(), number));
    }

  private:
    detail::Owner<latentlink_pictures, latentlink_pictures_free> handle_;
};

// Latents and the space that they belong to.
class Latents {
  public:
    explicit Latents(latentlink_latents* owned) : handle_(owned) {}

    static Latents read(const std::string& path) {
        latentlink_latents* made = nullptr;
        detail::call(latentlink_latents_read, path.c_str(), &made);
        return Latents(made);
    }
    void write(const std::string& path) const { detail::call(latentlink_latents_write, handle_.get(), path.c_str()); }

    latentlink_latents_view view() const { return latentlink_latents_at(handle_.get()); }
    const latentlink_latents* c() const { return handle_.get(); }

  private:
    detail::Owner<latentlink_latents, latentlink_latents_free> handle_;
};

// A run between two rows; valid within its callback.
class Progress {
  public:
    explicit Progress(latentlink_progress* borrowed) : handle_(borrowed), at_(latentlink_progress_at(borrowed)) {}

    std::uint32_t row() const { return at_.row; }
    std::uint32_t rows() const { return at_.rows; }
    std::uint32_t step() const { return at_.step; }
    std::uint32_t steps() const { return at_.steps; }
    double seconds() const { return at_.seconds; }

    // The pictures that this row predicts.
    Pictures preview() const {
        latentlink_pictures* made = nullptr;
        detail::call(latentlink_progress_preview, handle_, &made);
        return Pictures(made);
    }

    // The guidance from the next row on; one number, or one for each picture.
    void set_guidance(std::span<const double> guidance) const {
        latentlink_progress_set_guidance(handle_, guidance.data(), guidance.size());
    }

  private:
    latentlink_progress* handle_;
    latentlink_progress_view at_;
};

// Options of a generation; what is not set is the bundle's default. Lists hold one value for all pictures, or one for
// each (negative prompts: one for each prompt).
struct GenerateOptions {
    std::vector<std::string> negative_prompts = {};
    std::vector<std::uint64_t> seeds = {};
    std::vector<std::uint32_t> steps = {};
    std::vector<double> guidance = {};
    std::vector<std::string> samplers = {};
    std::uint32_t num_images = 0, width = 0, height = 0;
    std::optional<std::pair<double, double>> guidance_interval = {};
    std::uint32_t step_cache = 0;
    std::string spacing = {}, sigmas = {}, noise = {};
    std::optional<double> shift = {}, eta = {}, strength = {}, denoising_start = {}, denoising_end = {};
    bool batch_seed = false, guard = true, decode = true;
    std::vector<PictureView> init_images = {}, masks = {};
    const Latents* init_latents = nullptr;
    std::map<std::string, std::vector<double>> conditions = {};
    std::function<bool(const Progress&)> on_step = {};  // false cancels; what it throws ends the run and is thrown on
};

// What a generation made.
class Result {
  public:
    explicit Result(latentlink_result* owned) : handle_(owned) {}

    std::size_t size() const { return latentlink_result_count(handle_.get()); }
    PictureView operator[](std::size_t number) const {
        return PictureView(latentlink_result_picture(handle_.get(), number));
    }
    Latents latents() const { return Latents(latentlink_result_latents(handle_.get())); }
    std::string json() const { return latentlink_result_json(handle_.get()); }

    void write_png(const std::string& path, std::size_t number = 0, bool metadata = true) const {
        detail::call(latentlink_result_write_png, handle_.get(), number, path.c_str(), int{metadata});
    }
    std::vector<std::uint8_t> png(std::size_t number = 0, bool metadata = true) const {
        latentlink_bytes* made = nullptr;
        detail::call(latentlink_result_png, handle_.get(), number, int{metadata}, &made);
        const detail::Owner<latentlink_bytes, latentlink_bytes_free> bytes(made);
        const std::uint8_t* first = latentlink_bytes_data(made);
        return {first, first + latentlink_bytes_size(made)};
    }

  private:
    detail::Owner<latentlink_result, latentlink_result_free> handle_;
};

struct LoadOptions {
    std::string target = {};                          // empty: the first engine that is valid on this machine
    std::map<std::string, std::string> replace = {};  // component: the bundle to take it from
    std::uint32_t threads = 0;                        // 0: all processors that this process may use
    std::optional<bool> verify = {};                  // not set: once for each bundle on this machine
    std::uint64_t vae_memory = 0, engine_memory = 0;  // bytes; 0: no limit
    std::string previews = {};                        // empty: the pipeline's own decoder
    std::function<void(std::uint64_t done, std::uint64_t total)> on_progress = {};  // bytes checked; may not throw
};

struct TransferOptions {
    std::uint32_t width = 0, height = 0;  // 0: as they are, or by the proportions
    bool fit = false;                     // the nearest size that the destination's engines accept
    bool guard = true;
};

// A linked bundle.
class Pipeline {
  public:
    explicit Pipeline(const std::string& bundle, const LoadOptions& options = {}) {
        std::vector<latentlink_replacement> replace;
        for (const auto& [component, other] : options.replace) replace.push_back({component.c_str(), other.c_str()});
        latentlink_load_options given = {};
        given.size = sizeof given;
        given.target = text(options.target);
        given.replace = replace.data();
        given.replace_count = replace.size();
        given.threads = options.threads;
        given.verify = options.verify ? (*options.verify ? 1 : -1) : 0;
        given.vae_memory = options.vae_memory;
        given.engine_memory = options.engine_memory;
        given.previews = text(options.previews);
        if (options.on_progress) {
            given.on_progress = [](std::uint64_t done, std::uint64_t total, void* user) {
                static_cast<const LoadOptions*>(user)->on_progress(done, total);
            };
            given.user = const_cast<LoadOptions*>(&options);
        }
        latentlink_pipeline* made = nullptr;
        detail::call(latentlink_load, bundle.c_str(), &given, &made);
        handle_.reset(made);
    }

    // Name, family, space, defaults and engines as a JSON object.
    std::string json() const { return latentlink_pipeline_json(handle_.get()); }

    // End all calls of other threads: each throws Failure with LATENTLINK_INTERRUPTED.
    void cancel() const { latentlink_pipeline_cancel(handle_.get()); }

    Result generate(const std::string& prompt, const GenerateOptions& options = {}) const {
        return generate(std::span(&prompt, 1), options);
    }

    Result generate(std::initializer_list<std::string> prompts, const GenerateOptions& options = {}) const {
        return generate(std::span(prompts.begin(), prompts.size()), options);
    }

    Result generate(std::span<const std::string> prompts, const GenerateOptions& options = {}) const {
        const auto texts = pointers(prompts), negatives = pointers(options.negative_prompts);
        const auto samplers = pointers(options.samplers);
        const auto images = views(options.init_images), masks = views(options.masks);
        std::vector<latentlink_condition> conditions;
        for (const auto& [name, numbers] : options.conditions) {
            conditions.push_back({name.c_str(), numbers.data(), numbers.size()});
        }
        Watcher watcher{options.on_step, {}};
        latentlink_generate_options given = LATENTLINK_GENERATE_OPTIONS;
        given.prompts = texts.data();
        given.prompt_count = texts.size();
        given.negative_prompts = negatives.data();
        given.negative_prompt_count = negatives.size();
        given.seeds = options.seeds.data();
        given.seed_count = options.seeds.size();
        given.steps = options.steps.data();
        given.steps_count = options.steps.size();
        given.guidance = options.guidance.data();
        given.guidance_count = options.guidance.size();
        given.samplers = samplers.data();
        given.sampler_count = samplers.size();
        given.num_images = options.num_images;
        given.width = options.width;
        given.height = options.height;
        if (options.guidance_interval) {
            std::tie(given.guidance_low, given.guidance_high) = *options.guidance_interval;
        }
        given.step_cache = options.step_cache;
        given.spacing = text(options.spacing);
        given.sigmas = text(options.sigmas);
        given.noise = text(options.noise);
        given.shift = number(options.shift);
        given.eta = number(options.eta);
        given.strength = number(options.strength);
        given.denoising_start = number(options.denoising_start);
        given.denoising_end = number(options.denoising_end);
        given.batch_seed = options.batch_seed;
        given.guard_off = !options.guard;
        given.latents_only = !options.decode;
        given.init_images = images.data();
        given.init_image_count = images.size();
        given.masks = masks.data();
        given.mask_count = masks.size();
        given.init_latents = options.init_latents == nullptr ? nullptr : options.init_latents->c();
        given.conditions = conditions.data();
        given.condition_count = conditions.size();
        if (options.on_step) {
            given.on_step = &Watcher::look;
            given.user = &watcher;
        }
        latentlink_result* made = nullptr;
        try {
            detail::call(latentlink_generate, handle_.get(), &given, &made);
        } catch (const Failure&) {
            if (watcher.thrown) std::rethrow_exception(watcher.thrown);
            throw;
        }
        return Result(made);
    }

    // Run every engine once, so that the first picture of this size is as fast as later ones.
    void warm_up(std::uint32_t width = 0, std::uint32_t height = 0, std::uint32_t num_images = 0) const {
        detail::call(latentlink_warm_up, handle_.get(), width, height, num_images);
    }

    Pictures decode(const Latents& latents, bool guard = true) const {
        latentlink_pictures* made = nullptr;
        detail::call(latentlink_decode, handle_.get(), latents.c(), int{!guard}, &made);
        return Pictures(made);
    }

    // With a seed, the posterior is sampled; without, it is its mode.
    Latents encode(std::span<const PictureView> pictures, std::optional<std::uint64_t> seed = {},
                   bool guard = true) const {
        const auto given = views(pictures);
        latentlink_latents* made = nullptr;
        detail::call(latentlink_encode, handle_.get(), given.data(), given.size(),
                     static_cast<const std::uint64_t*>(seed ? &*seed : nullptr), int{!guard}, &made);
        return Latents(made);
    }

    // Latents in another model's space, and the round-trip loss in dB.
    std::pair<Latents, double> transfer(const Latents& latents, const Pipeline& destination,
                                        const TransferOptions& options = {}) const {
        latentlink_transfer_options given = {};
        given.size = sizeof given;
        given.width = options.width;
        given.height = options.height;
        given.fit = options.fit;
        given.guard_off = !options.guard;
        latentlink_latents* moved = nullptr;
        double psnr = 0;
        detail::call(latentlink_transfer, handle_.get(), destination.handle_.get(), latents.c(),
                     static_cast<const latentlink_transfer_options*>(&given), &moved, &psnr);
        return {Latents(moved), psnr};
    }

  private:
    // The caller's callback, from which no exception may leave through the C interface.
    struct Watcher {
        const std::function<bool(const Progress&)>& on_step;
        std::exception_ptr thrown;

        static int look(latentlink_progress* progress, void* user) noexcept {
            auto& self = *static_cast<Watcher*>(user);
            try {
                return self.on_step(Progress(progress)) ? 0 : 1;
            } catch (...) {
                self.thrown = std::current_exception();
                return 1;
            }
        }
    };

    static const char* text(const std::string& value) { return value.empty() ? nullptr : value.c_str(); }
    static double number(const std::optional<double>& value) {
        return value.value_or(std::numeric_limits<double>::quiet_NaN());
    }
    static std::vector<const char*> pointers(std::span<const std::string> texts) {
        std::vector<const char*> made;
        for (const std::string& one : texts) made.push_back(one.c_str());
        return made;
    }
    static std::vector<latentlink_picture> views(std::span<const PictureView> pictures) {
        std::vector<latentlink_picture> made;
        for (const PictureView& one : pictures) made.push_back(one.c());
        return made;
    }

    detail::Owner<latentlink_pipeline, latentlink_pipeline_free> handle_;
};

inline std::string version() { return latentlink_version(); }

}  // namespace latentlink::inline api
