#include "bundle/printable.h"

#include <algorithm>
#include <array>
#include <utility>

#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

// Ranges of code points, both ends included.
constexpr std::array<std::pair<char32_t, char32_t>, 27> UNPRINTABLE = {{
    {0x0000, 0x001F},   {0x007F, 0x00A0},    {0x00AD, 0x00AD},   {0x0600, 0x0605},   {0x061C, 0x061C},
    {0x06DD, 0x06DD},   {0x070F, 0x070F},    {0x0890, 0x0891},   {0x08E2, 0x08E2},   {0x1680, 0x1680},
    {0x180E, 0x180E},   {0x2000, 0x200F},    {0x2028, 0x202F},   {0x205F, 0x206F},   {0x3000, 0x3000},
    {0xD800, 0xF8FF},   {0xFDD0, 0xFDEF},    {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},   {0xFFFE, 0xFFFF},
    {0x110BD, 0x110BD}, {0x110CD, 0x110CD},  {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
    {0xE0000, 0xE00FF}, {0xE01F0, 0x10FFFF},
}};

}  // namespace

bool is_printable(char32_t character) {
    return std::none_of(UNPRINTABLE.begin(), UNPRINTABLE.end(), [character](const auto& range) {
        return range.first <= character && character <= range.second;
    });
}

bool is_printable(std::string_view text) {
    while (!text.empty()) {
        if (!is_printable(next_character(text))) return false;
    }
    return true;
}

}  // namespace latentlink
