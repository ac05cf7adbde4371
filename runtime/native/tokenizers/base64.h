// Base64 as Python's `b64decode(text, validate=True)` reads it, with its words for what is wrong.
#pragma once

#include <string>
#include <string_view>

namespace latentlink {

struct Base64 {
    std::string bytes = {};
    std::string problem = {};  // empty if it is base64
};

Base64 base64_decoded(std::string_view text);

}  // namespace latentlink
