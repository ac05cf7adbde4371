// Latents as values and as files: the array never travels without its space and its noise level.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "samplers/solvers/table.h"
#include "vocabulary/array.h"
#include "vocabulary/spaces.h"

namespace latentlink {

// Latents of a batch. Made by `checked` or `load`, so that the array is float32 or float16 `[B, channels, h, w]`.
struct Latents {
    Array array;  // as the denoiser writes them (scaled, unpacked)
    LatentSpace space;

    // Noise level (signal, noise): CLEAN for a finished picture, another one if a run stopped half way; none if it is
    // unknown, as for a tensor that another program wrote.
    std::optional<Level> level = CLEAN;

    std::optional<std::string> file = {};  // that they were read from, for messages

    // Whether they are known to hold noise, which another run has to remove.
    bool half_way() const;

    // The symbol of the port that these latents fit.
    std::string symbol() const;

    // The bytes of a safetensors file with the symbol, the space's numbers and the level in its metadata.
    std::string to_bytes() const;

    // Write these bytes to a file, atomically.
    // Throws UsageError: it cannot be the path of a file; MachineError.
    void save(const std::filesystem::path& path) const;

    // The same latents, if the array is of the space and the level one of numbers.
    // Throws UsageError: it is not.
    static Latents checked(Latents latents);

    // Read a file that `save` wrote, or a tensor that another program wrote: a file without this program's metadata has
    // to hold a single tensor, or one named `latent` or `latents`: float32 or float16 `[B, channels, h, w]` or
    // `[channels, h, w]`. Its noise level is unknown then. `space` is required if the file does not record it;
    // otherwise both have to agree. Throws UsageError: it is not such a file, its metadata contradicts itself or
    // `space`, or the space is unknown.
    static Latents load(const std::filesystem::path& path, const std::optional<LatentSpace>& space = {});
};

// Check that latents are of a space, with finite numbers. `reader` is the name of the bundle that is to read them.
// Throws LinkError: they are of another space; UsageError: they hold numbers that are not finite.
const Latents& check_latents(const Latents& latents, const LatentSpace& space, std::string_view reader);

}  // namespace latentlink
