// Moving latents between latent spaces in the only way there is: decode, then encode again.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "linking/link.h"
#include "request/latents.h"
#include "vocabulary/array.h"
#include "vocabulary/spaces.h"

namespace latentlink {

// Picture width and height in pixels.
struct PictureSize {
    int width, height;

    bool operator==(const PictureSize&) const = default;
};

// What a transfer needs of a pipeline. Its guards are in `decode` and `encode`, with the argument `guard` of the call.
struct TransferEnd {
    std::string name;  // of the bundle, as the user gave it
    LatentSpace space;
    int size_multiple = 1;                                           // sides of pictures are multiples of it, in pixels
    std::vector<Engine> whole_engines = {};                          // that run on the whole picture: all but the VAE's
    std::function<std::vector<Array>(const Latents&)> decode;        // to pictures, uint8 `[H, W, 3]`
    std::function<Latents(std::span<const Array> pictures)> encode;  // to the posterior's mode
};

// The result of `transfer`, and how it was made.
struct TransferResult {
    Latents latents;  // in the destination's space

    // Round-trip loss in dB over all pictures: the destination's decode of the result compared with the source's
    // decode, resized if the pictures were; infinite if both are equal, or nothing was decoded.
    double psnr = std::numeric_limits<double>::infinity();
    std::vector<double> psnrs = {};              // the same for each picture; empty if nothing was decoded
    std::optional<std::string> decoded_by = {};  // name of the bundle; none if handed over unchanged
    std::optional<std::string> encoded_by = {};  // name of the bundle; none if handed over unchanged
    std::optional<std::pair<PictureSize, PictureSize>> resized = {};  // picture size before and after, if it changed

    // Whether the latents were handed over unchanged.
    bool direct() const { return !decoded_by; }
};

// What a transfer may change on the way.
struct TransferOptions {
    // Size in pixels of the pictures to encode; they are resampled with Lanczos' filter. A side that is none follows
    // from the other by the proportions; without either the size stays.
    std::optional<std::int64_t> width = {}, height = {};
    bool fit = false;  // use the nearest size that the destination's engines accept, if they do not accept this one
};

// Move latents from one bundle's space to another's. If the space is the same and the size stays, they are handed over
// unchanged, and nothing is decoded.
// Throws GuardError: a picture is flat or noise, or latents are outside of their model's range; LinkError: `latents`
// are not of the source's space; UsageError: they are half way and the spaces differ, the destination has no VAE
// encoder, or it does not accept pictures of this size.
TransferResult transfer(const Latents& latents, const TransferEnd& source, const TransferEnd& destination,
                        const TransferOptions& options = {});

}  // namespace latentlink
