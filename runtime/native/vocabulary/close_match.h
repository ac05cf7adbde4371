// The name that a wrong one was probably meant to be.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace latentlink {

// The option most like a word, if it is at least so much like it: `get_close_matches(word, options, n=1, cutoff)` of
// Python's difflib, so that both runtimes suggest the same. difflib's own cutoff is 0.6.
std::optional<std::string> close_match(std::string_view word, std::span<const std::string_view> options,
                                       double cutoff = 0.5);

}  // namespace latentlink
