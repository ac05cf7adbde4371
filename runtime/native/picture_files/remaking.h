// From how a picture was made to the options that make it again, and what is different this time.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "picture_files/reading.h"
#include "vocabulary/json.h"

namespace latentlink {

// The options of a generation that make a picture again, by name, with `prompt` among them. An infinite noise level is
// an infinite number.
// Throws UsageError: the file does not say how it was made, or was made by a chain of models.
Json options_of(const PictureFile& file);

// `options_of` the file at this path, with other options in place of the picture's; null values are not given.
Json picture_options(const std::filesystem::path& path, const Json& changes);

// The schedule type of another program's text that has no equal here, so that the model's levels stand for it.
std::optional<std::string> left_out_levels(const Parameters& parameters);

// What is different now from when a picture was made, a sentence each: model, engines, what it started from.
std::vector<std::string> differences(const Record& recorded, const Record& made);

// The options that make a picture again, with those that a user gave in their place. What belongs to an option that
// was replaced goes with it: spacing, noise levels and noise share belong to a sampler, an interval to guidance above
// 1, and strength and `denoising_start` both say where a run begins.
Json overridden(const Json& options, const Json& given);

}  // namespace latentlink
