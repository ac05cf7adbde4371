// The values of options, from the text of the command line.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "options.h"
#include "vocabulary/json.h"

namespace latentlink {

// Read `500MB`, `2GB`, `2GiB` or `1.5 GB` as a number of bytes; a number without a unit is bytes.
// Throws UsageError: the text is not a size.
std::int64_t parse_size(std::string_view text);

// Read `vae_decoder=other_bundle`.
// Throws UsageError: the text is not such a pair.
std::pair<std::string, std::string> parse_replacement(const std::string& text);

// Read `0.28,5.42` as two numbers; the second one may be `inf`.
// Throws UsageError: the text is not two numbers.
Json parse_interval(std::string_view text);

// Read `original_size=1024,1024` as names and their numbers.
// Throws UsageError: a text is not a condition.
Json parse_conditions(std::span<const std::string> texts);

// The value of a generation's option, as `requested` takes it; a picture and latents stay paths.
// Throws UsageError: the text is no value of the option's kind or range.
Json parse_option(const Option& option, const std::string& text);

// A whole number of an option called `flag`.
// Throws UsageError: the text is none, or out of range.
std::int64_t parse_whole(std::string_view flag, const std::string& text, std::int64_t least, std::int64_t most);

}  // namespace latentlink
