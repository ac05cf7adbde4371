// What a generation returns.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "denoising/step_cache.h"
#include "guards/guard.h"
#include "picture_files/image.h"
#include "picture_files/record.h"
#include "request/latents.h"
#include "request/resolved.h"
#include "vocabulary/json.h"

namespace latentlink {

// The result of a generation.
struct Result {
    std::vector<Image> images;  // in the order of the prompts; the pictures of one prompt stand together
    Latents latents;
    // Seconds by stage: `text_encoder`, `vae_encoder`, `denoiser`, `vae_decoder`, `total`; `denoiser_engine` is the
    // part of `denoiser` that was spent inside the engine. `waiting` is what this call waited for those of other
    // threads; no other entry contains it.
    std::vector<std::pair<std::string, double>> timings;
    std::vector<Request> requests;  // for each picture the request with every default resolved, including its seed
    std::vector<Record> records;    // for each picture how it was made, as its file says it
    std::map<std::string, std::int64_t> passes = {};  // of `vae_encoder` and `vae_decoder`, if more than one
    std::vector<Mended> mended = {};                  // what overflowed and was made again by a wider engine
    std::optional<Unmeasured> unmeasured_cache = {};  // the run's step cache, if its effect on quality is not known

    // The request of the first picture.
    const Request& request() const { return requests.front(); }

    // The seeds of the pictures in words: `seed 7`, `seeds 7 to 10` or `seeds 3, 9`.
    std::string seeds() const;

    // Seconds of a stage.
    double seconds(std::string_view stage) const;

    // All but pictures and latents, as the command line prints it.
    Json to_json() const;
};

}  // namespace latentlink
