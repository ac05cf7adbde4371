// Numbers in texts, read as Python reads them.
#pragma once

#include <optional>
#include <string_view>

#include "vocabulary/json.h"

namespace latentlink {

// The same value, but an integer of up to 64 bits without a sign as a number, which `parse_json` keeps as its digits
// if int64 cannot hold it.
Json with_64_bits(const Json& value);

// A whole number as Python's `int` reads it, as `with_64_bits` and `parse_json` keep it; none if the text is not one.
std::optional<Json> read_whole(std::string_view text);

// A number as Python's `float` reads it; none if the text is not one.
std::optional<Json> read_number(std::string_view text);

}  // namespace latentlink
