// Names of bundles: a path, or the name of one that comes with the program; and what a path is that is no bundle.
#pragma once

#include <array>
#include <filesystem>
#include <string_view>

#include "vocabulary/errors.h"

namespace latentlink {

// Names of the bundles that come with the program, in the folder of `shipped_bundles`.
inline constexpr std::array<std::string_view, 3> SHIPPED = {"demo", "demo-b", "demo-tiny"};

// The file that makes a folder a bundle or an export.
inline constexpr std::string_view MANIFEST = "manifest.json";

// The folder of the SHIPPED bundles, which need not exist: `$LATENTLINK_BUNDLES` if that is set; else
// `share/latentlink/bundles` of the place that this library is installed to, if it is there; else the one of the
// sources that it was built from.
std::filesystem::path shipped_bundles();

// The directory of a bundle. One of the SHIPPED names is the bundle of that name that comes with the program; all else
// is a path: `./demo` is the folder. `argument` is what to call it in messages.
// Throws UsageError: it is no possible path, or the name of both a shipped bundle and another one in the working
// directory.
std::filesystem::path bundle_path(std::string_view name, std::string_view argument = "bundle");

// Whether a path is the folder of a bundle or export; false for what is no possible path.
bool holds_manifest(const std::filesystem::path& path);

// Whether text that a user wrote names a bundle or export.
bool names_bundle(std::string_view text);

// The error for a path that is not the folder of a bundle or export: what it is, and what takes it.
UsageError no_bundle(const std::filesystem::path& path);

}  // namespace latentlink
