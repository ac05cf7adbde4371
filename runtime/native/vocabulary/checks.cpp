#include "vocabulary/checks.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "vocabulary/close_match.h"
#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

// Bytes of one name in a path and of a whole path, on Linux (limits.h).
constexpr std::size_t MAX_NAME = 255, MAX_PATH = 4095;

constexpr double CUTOFF = 0.6;  // difflib's own

// Why no file can have this path; empty if one can.
std::string_view impossible(std::string_view path) {
    if (path.empty()) return "is empty";
    if (path.find('\0') != std::string_view::npos) return "holds the character NUL";
    bool too_long = path.size() > MAX_PATH;
    std::size_t begin = 0;
    while (!too_long && begin < path.size()) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        too_long = end - begin > MAX_NAME;
        begin = end + 1;
    }
    return too_long ? "is too long for a path" : "";
}

// A path as Python's pathlib has it: without `.`, and with single separators.
std::filesystem::path tidied(std::string_view path) {
    std::filesystem::path tidy;
    for (const std::filesystem::path& part : std::filesystem::path(path).relative_path()) {
        if (part != "." && !part.empty()) tidy /= part;
    }
    if (path.starts_with('/')) return (path.starts_with("//") && !path.starts_with("///") ? "//" : "/") / tidy;
    return tidy.empty() ? "." : tidy;
}

}  // namespace

int whole(std::string_view name, std::int64_t value, int least, int most) {
    if (value < least || value > most) {
        throw UsageError(std::string(name) + " is " + std::to_string(value) + "; expected a whole number from " +
                         std::to_string(least) + " to " + std::to_string(most) + ".");
    }
    return static_cast<int>(value);
}

std::int64_t byte_count(std::string_view name, std::int64_t value) {
    if (value < 1) {
        throw UsageError(std::string(name) + " is " + std::to_string(value) +
                         "; expected a number of bytes above 0, or None for no budget.");
    }
    return value;
}

std::string choice(std::string_view name, std::string_view value, std::span<const std::string_view> known) {
    if (std::ranges::find(known, value) == known.end()) {
        const auto near = close_match(value, known, CUTOFF);
        throw UsageError(
            "Unknown " + std::string(name) + " " + shown(value) + "; expected one of: " + joined(known) + ".",
            near ? "Did you mean " + repr(*near) + "?" : "");
    }
    return std::string(value);
}

std::filesystem::path path_of(std::string_view name, std::string_view value) {
    if (const std::string_view wrong = impossible(value); !wrong.empty()) {
        throw UsageError(std::string(name) + " is " + shown(value) + ", which " + std::string(wrong) +
                         "; expected the path of a file or folder.");
    }
    return tidied(value);
}

std::filesystem::path check_input(const std::filesystem::path& path, std::string_view expected) {
    const std::string wanted(expected);
    struct stat found;
    if (::stat(path.c_str(), &found) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) throw system_error(errno, path);
        if (path == "-") {
            throw UsageError("Standard input is not read; expected the name of " + wanted + ".",
                             "Write it to a file first.");
        }
        throw UsageError("There is no file " + repr(path.string()) + "; expected " + wanted + ".");
    }
    if (!S_ISREG(found.st_mode)) {
        const bool folder = S_ISDIR(found.st_mode);
        throw UsageError(repr(path.string()) + " is a " + (folder ? "folder" : "device, pipe or socket") +
                             "; expected " + wanted + ".",
                         folder ? "" : "Write it to a file first.");
    }
    return path;
}

}  // namespace latentlink
