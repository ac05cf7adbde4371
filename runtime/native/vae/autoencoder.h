// Both halves of the VAE, one picture at a time, so that memory does not grow with the batch; a large picture takes
// several passes if a memory budget or the engine's sizes require it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "linking/link.h"
#include "sessions/session.h"
#include "vae/budget.h"
#include "vae/tiling.h"
#include "vocabulary/array.h"

namespace latentlink {

// The VAE of a pipeline. Threads may share one.
class Autoencoder {
  public:
    // `name` is the bundle's, for messages; `memory` the maximum bytes that decoding or encoding a picture may take
    // beyond the engine's weights, none sets no budget.
    // Throws UsageError: `memory` is not above 0.
    Autoencoder(std::string name, LinkedVae linked, std::optional<std::int64_t> memory = {});

    const std::string& name() const { return name_; }
    const LinkedVae& linked() const { return linked_; }
    std::optional<std::int64_t> memory() const { return memory_; }

    // Number of passes for a picture of this size in pixels by component, if more than one; measures what fits before
    // any other work.
    // Throws UsageError: no canvas is within the budget and the engine's sizes.
    std::map<std::string, std::int64_t> passes(int width, int height, bool encode, bool decode);

    // Decode z `[B, C, h, w]` of the linked space to pictures, uint8 `[H, W, 3]` each. `written` is z in the buffer
    // that the denoiser wrote, for a decoder that can read it there; null if it is only on the host. Throws UsageError:
    // the bundle has no VAE decoder, or no canvas is within the budget and the engine's sizes.
    std::vector<Array> decode(const Array& latents, const BufferPtr& written = nullptr);

    // Encode pictures, uint8 RGB `[B, H, W, 3]`, to z `[B, C, h, w]`. `mask` is float32 `[B, 1, H, W]`, 1 where the
    // picture is hidden; null hides nothing. `noise` is standard normal `[B, C, h, w]` that samples the posterior;
    // zeros give its mode. Throws UsageError: the bundle has no VAE encoder, or no canvas is within the budget and the
    // engine's sizes.
    Array encode(const Array& pictures, const Array* mask, const Array& noise);

  private:
    // What was measured of one engine's memory.
    struct Known {
        std::int64_t wanted = 0;  // cells of the largest requested picture
        std::int64_t cells = 0;   // of one pass that fit the budget
        std::int64_t needed = 0;  // bytes for the smallest pass and the picture
        std::int64_t peak = 0;    // most bytes that its passes took; ONNX Runtime keeps them for the next pass
    };

    const Engine& decoder() const;
    const Engine& encoder() const;
    Array decode_pass(const Array& z) const;
    Array decode_buffer(const BufferPtr& z) const;
    Array encode_pass(std::span<const Array> inputs) const;
    Mosaic mosaic(const Engine& engine, std::int64_t height, std::int64_t width);
    Room cells(const Engine& engine, std::int64_t wanted, std::int64_t memory);
    void try_pass(const Engine& engine, std::int64_t height, std::int64_t width) const;
    std::int64_t downscale() const { return linked_.latent.size('f'); }

    std::string name_;
    LinkedVae linked_;
    std::optional<std::int64_t> memory_;
    std::map<std::string, Known> known_;  // by component; guarded by `measuring`
};

}  // namespace latentlink
