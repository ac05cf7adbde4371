#include "vocabulary/user_cache.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "vocabulary/errors.h"

namespace latentlink {
namespace {

// `$HOME`, or what the user's account says, as Python's `Path.home`.
std::filesystem::path home() {
    if (const char* named = std::getenv("HOME"); named != nullptr && *named != '\0') return named;
    std::vector<char> memory(1 << 14);
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(::getuid(), &entry, memory.data(), memory.size(), &found) == 0 && found != nullptr) {
        return found->pw_dir;
    }
    throw UsageError("This user has no home folder; expected one, or XDG_CACHE_HOME.",
                     "Set XDG_CACHE_HOME to a folder.");
}

}  // namespace

std::filesystem::path user_cache() {
    const char* named = std::getenv("XDG_CACHE_HOME");
    const std::filesystem::path folder = named == nullptr ? "" : named;
    return (folder.is_absolute() ? folder : home() / ".cache") / "latentlink";
}

}  // namespace latentlink
