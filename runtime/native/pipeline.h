// A linked bundle: prompts to pictures, latents to pictures, pictures to latents.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "denoising/conditioning.h"
#include "generating.h"
#include "loading.h"
#include "result.h"
#include "sessions/calls.h"
#include "transfers.h"
#include "vae/guarded.h"

namespace latentlink {

// What a caller answers after a row: whether to go on, and what to change.
struct Answer {
    bool go_on = true;
    Change change = {};
};

using OnStep = std::function<Answer(const Progress& progress)>;

struct WarmUpOptions {
    std::optional<int> width = {}, height = {}, num_images = {};  // pixels, pictures; none is the bundle's
};

// A linked bundle; its destructor closes the engines. A VAE alone does all but `generate` and `encode_prompt`.
//
// Threads may share one: each call returns what it would return alone. `ort-cpu` engines run several calls at once;
// with all others, calls take turns. A process that was forked afterwards loads its own.
class Pipeline {
  public:
    explicit Pipeline(Loaded loaded);
    ~Pipeline();
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    const std::string& name() const { return loaded_.name; }
    const Manifest& manifest() const { return loaded_.bundle->manifest; }
    const Sampling& sampling() const { return loaded_.sampling; }
    const LatentSpace& space() const { return loaded_.space; }
    const std::vector<Decision>& decisions() const { return loaded_.decisions; }
    const Origin& origin() const { return loaded_.origin; }
    const PromptsByEncoder& prompts() const { return loaded_.prompts; }
    GuardedVae& vae() { return vae_; }

    // All engines, by what they do.
    // Throws UsageError: it is a VAE alone, which has no denoiser.
    const Linked& linked() const;

    // Whether it is a model that draws, and not a VAE alone.
    bool draws() const { return loaded_.linked.has_value(); }

    // The engines that run on the whole picture: all but the VAE's, which can work in several passes.
    std::vector<Engine> whole_engines() const;

    // Make pictures; `on_step` is called after every row.
    // Throws UsageError: an argument is not of its type or out of range, the pipeline was closed, or is a VAE alone;
    // LinkError: latents are of another space, or embeddings of another text encoder; GuardError: an embedding or
    // latent is not finite, a latent is outside of the model's range, or a picture is flat or noise; Cancelled:
    // `on_step` says so, or another thread called `cancel`.
    Result generate(const Given& given, const OnStep& on_step = {});

    // Encode prompts once, for several generations. `prompt` and `negative_prompt` are a text or a list of texts; a
    // negative prompt of null is the bundle's.
    // Throws UsageError: a prompt is no text or too long, or the bundle is a VAE alone; GuardError: an embedding is not
    // finite.
    PromptEmbeddings encode_prompt(const Json& prompt, const Json& negative_prompt = {}, std::string_view guard = "on");

    // Run every engine once, so that the first picture of this size is as fast as later ones.
    // Throws UsageError: an engine was not built for the size.
    void warm_up(const WarmUpOptions& options = {});

    // Decode latents to pictures, one at a time so that memory does not grow with the batch.
    // Throws LinkError: they are of another space; UsageError: they hold values that are not finite, or do not fit the
    // memory; or the bundle has no VAE decoder; GuardError: they are outside of the model's range, or a picture is flat
    // or noise.
    std::vector<Image> decode(const Latents& latents, std::string_view guard = "on");

    // Decode the predicted latents of a run, `Progress::predicted`, with the decoder that was opened for previews; no
    // guard runs.
    // Throws UsageError: they are not such an array, or do not fit the memory.
    std::vector<Image> preview(const Array& latents);

    // Encode pictures of equal size, whose sides are multiples of the space's downscale. `seed` is that of the noise
    // that samples the posterior, from which several pictures' seeds follow, or a list of one for each; null takes the
    // mode.
    // Throws UsageError: the bundle has no VAE encoder, a size or the memory does not fit, or a seed is none;
    // GuardError: the latents are not finite, or outside of the model's range.
    Latents encode(std::span<const Image> images, const Json& seed = {}, std::string_view guard = "on");

    // Move latents of this model to the space of another one (transfers.h). Cancelling either pipeline ends it.
    TransferResult transfer_to(Pipeline& destination, const Latents& latents, const TransferOptions& options = {},
                               const std::string& guard = "on");

    // End all calls that other threads have begun: each gets Cancelled, at its next engine run at the latest. Later
    // calls are not affected.
    void cancel();

    // Close the engines. An engine's run that another thread has begun ends normally, and its memory is released then;
    // later calls are refused. Closing twice is harmless.
    void close();

  private:
    // A call that works for this pipeline, which `cancel` ends.
    class Working;

    TransferEnd transfer_end(std::string guard);

    void check_open() const;

    Loaded loaded_;
    GuardedVae vae_;
    Autoencoder previews_;
    int process_;              // that loaded it
    mutable std::mutex lock_;  // over what follows
    bool closed_ = false;
    std::set<Call*> calls_;
};

}  // namespace latentlink
