// The user's cache: files that save work, and that may be deleted at any time.
#pragma once

#include <filesystem>

namespace latentlink {

// The folder of latentlink in the user's cache: `$XDG_CACHE_HOME/latentlink` or `~/.cache/latentlink`. Nothing is made.
// A relative `$XDG_CACHE_HOME` does not count (XDG Base Directory Specification 0.8).
// Throws UsageError: the variable is not set, and the user has no home.
std::filesystem::path user_cache();

}  // namespace latentlink
