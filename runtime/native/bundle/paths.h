// Paths inside a bundle: every file system reads them in the same way, and none leads outside.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "vocabulary/json.h"

namespace latentlink {

inline constexpr std::size_t MAX_BUNDLE_PATH = 255;

// Whether it is a relative POSIX path of plain names, at most 255 characters.
bool is_safe_path(std::string_view path);

// The path, if it is safe. Throws ManifestError.
const std::string& check_path(std::string_view where, const Json& path);

// Refuse paths that are equal on a file system that ignores case, a file below another file, and `manifest.json`.
// Throws ManifestError.
void check_distinct(std::span<const std::string> paths);

}  // namespace latentlink
