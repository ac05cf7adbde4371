// Whole numbers in untrusted bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "picture_files/damaged.h"

namespace latentlink {

// An unsigned number of `size` bytes, at most 8, that stands at `at`.
// Throws Damaged: the bytes end before it does.
inline std::uint64_t whole_at(std::string_view bytes, std::size_t at, std::size_t size, bool high_first = true) {
    if (at > bytes.size() || bytes.size() - at < size) throw Damaged("a block ends before its fields do");
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < size; ++i) {
        number = number << 8 | static_cast<unsigned char>(bytes[high_first ? at + i : at + size - 1 - i]);
    }
    return number;
}

inline std::uint32_t u32(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint32_t>(whole_at(bytes, at, 4));
}
inline std::uint16_t u16(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>(whole_at(bytes, at, 2));
}

// Bytes of a number, high byte first.
inline std::string bytes_of(std::uint32_t number) {
    std::string made;
    for (int shift = 24; shift >= 0; shift -= 8) made += static_cast<char>(number >> shift & 0xFFu);
    return made;
}

}  // namespace latentlink
