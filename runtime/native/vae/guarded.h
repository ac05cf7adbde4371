// The VAE of a pipeline with guards after it, and a wider engine for results that overflowed in half precision.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "guards/guard.h"
#include "vae/autoencoder.h"

namespace latentlink {

// By component, `vae_decoder` or `vae_encoder`, a function that opens an engine of wider precision than the linked one.
using WiderEngines = std::map<std::string, std::function<Engine()>, std::less<>>;

// Both halves of the VAE with guards. Threads may share one.
class GuardedVae {
  public:
    explicit GuardedVae(Autoencoder halves, WiderEngines wider = {});
    GuardedVae(const GuardedVae&) = delete;
    GuardedVae& operator=(const GuardedVae&) = delete;

    // The VAE as it was linked.
    Autoencoder& halves() { return halves_; }
    const Autoencoder& halves() const { return halves_; }

    // Decode z `[B, C, h, w]` of the linked space to pictures, uint8 `[H, W, 3]` each; a faulty one is decoded again by
    // a wider engine if there is one, which `watch` records. `clean` latents hold no noise; `written` is as in
    // `Autoencoder::decode`.
    // Throws GuardError: a picture is flat or noise, also from the wider engine; UsageError: no pass is within the
    // memory budget.
    std::vector<Array> decode(Guard& watch, const Array& latents, bool clean, const BufferPtr& written = nullptr);

    // Encode pictures to z, see `Autoencoder::encode`; again by a wider engine if the result is not finite.
    // Throws GuardError: the latents are not finite, also from the wider engine, or outside of the model's range;
    // UsageError: there is no encoder, or no pass is within the memory budget.
    Array encode(Guard& watch, const Array& pictures, const Array* mask, const Array& noise);

    // Close the wider engines that were opened. Closing twice is harmless.
    void close();

  private:
    Autoencoder& wide(std::string_view component);

    Autoencoder halves_;
    WiderEngines wider_;
    std::mutex lock_;  // over what follows
    std::map<std::string, std::unique_ptr<Autoencoder>, std::less<>> open_;
    bool closed_ = false;
};

}  // namespace latentlink
