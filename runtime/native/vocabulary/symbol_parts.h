// The words that symbols are made of.
#pragma once

#include <string_view>

namespace latentlink {

// Lower-case letters and digits, joined by single `-`, `_` or `.`: `[a-z0-9]+([-_.][a-z0-9]+)*`.
bool is_name(std::string_view text);

// 8 hex digits in lower case.
bool is_digest(std::string_view text);

// 64 hex digits in lower case.
bool is_sha256(std::string_view text);

// Letters with sizes: `[a-z][1-9][0-9]{0,8}(_[a-z][1-9][0-9]{0,8})*`.
bool is_layout(std::string_view text);

// A lower-case word with a number: `[a-z]+[0-9]*`.
bool is_slot(std::string_view text);

}  // namespace latentlink
