#include "tokenizers/base64.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace latentlink {

namespace {

int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

Base64 base64_decoded(std::string_view text) {
    if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) > 0x7F; })) {
        return {{}, "string argument should contain only ASCII characters"};
    }
    if (text.starts_with('=')) return {{}, "Leading padding not allowed"};
    Base64 made;
    made.bytes.reserve(text.size() / 4 * 3 + 3);
    std::uint32_t bits = 0;
    int in_quad = 0, pads = 0;  // digits of this group of four; `=` after them
    for (std::size_t place = 0; place < text.size(); ++place) {
        if (text[place] == '=') {
            if (in_quad >= 2 && in_quad + ++pads >= 4) {
                if (place + 1 < text.size()) return {{}, "Excess data after padding"};
                return made;
            }
            if (pads == 0) pads = -4;  // a padding that has begun where none can end
            continue;
        }
        const int digit = digit_of(text[place]);
        if (digit < 0) return {{}, "Only base64 data is allowed"};
        if (pads != 0) return {{}, "Discontinuous padding not allowed"};
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        in_quad = (in_quad + 1) % 4;
        if (in_quad != 1) made.bytes += static_cast<char>(bits >> (in_quad == 0 ? 0 : 8 - 2 * in_quad) & 0xFF);
    }
    if (in_quad == 1) {
        return {{},
                "Invalid base64-encoded string: number of data characters (" +
                    std::to_string(made.bytes.size() / 3 * 4 + 1) + ") cannot be 1 more than a multiple of 4"};
    }
    if (in_quad != 0) return {{}, "Incorrect padding"};
    return made;
}

}  // namespace latentlink
