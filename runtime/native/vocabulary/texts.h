// Values as text in messages, as Python writes them, so that both runtimes say the same sentence.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "vocabulary/json.h"

namespace latentlink {

// Python's `repr`: characters that cannot be printed are escaped. Bytes that are no UTF-8 are shown as in file names.
std::string repr(std::string_view text);
std::string repr(std::string_view text, bool (*shown)(char32_t));  // with escapes for what is not `shown`
inline std::string repr(const std::string& text) { return repr(std::string_view(text)); }
std::string repr(double value);
std::string repr(const Json& value);

// A value for a message: `repr` on one short line, at most 120 characters and "...".
std::string shown(std::string_view text);
inline std::string shown(const std::string& text) { return shown(std::string_view(text)); }
std::string shown(const Json& value);

// printf's %g, which is Python's `:g`.
std::string general(double value, int digits = 6);

// Names with ", " between them.
std::string joined(std::span<const std::string_view> names);

// ASCII letters made small.
std::string lower(std::string_view text);

// Characters of UTF-8 text; see `next_character`.
std::u32string characters(std::string_view text);

}  // namespace latentlink
