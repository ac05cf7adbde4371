// JSON as Python's `json.dumps` writes it, byte by byte: digests are made of it.
#pragma once

#include <string>

#include "vocabulary/json.h"

namespace latentlink {

// How `dumps` writes; as it is, what `json.dumps(value)` writes.
struct JsonStyle {
    bool sorted = false;   // keys in the order of their characters
    bool compact = false;  // no space after `,` and `:`
    bool ascii = true;     // other characters as `\uXXXX`
};

// Throws std::invalid_argument: a number is not finite, text is not UTF-8, or values are nested more than 200 deep.
std::string dumps(const Json& value, const JsonStyle& style = {});

}  // namespace latentlink
