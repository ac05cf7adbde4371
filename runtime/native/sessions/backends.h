// The libraries that this program opens engines with, each of which it may have been built without.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "sessions/session.h"

namespace latentlink {

// Version by name of a distribution.
using LibraryVersions = std::map<std::string, std::string, std::less<>>;

// A library that runs engines.
struct Backend {
    std::string_view name;                      // for people: `ONNX Runtime`
    std::span<const std::string_view> targets;  // of its engines
    // Opens an engine of one of the targets, as `open_session` does; null if this program was built without the
    // library.
    SessionPtr (*open)(const std::filesystem::path& path, std::string_view target, const SessionOptions& options);
    // Adds its version, if it can be loaded here.
    void (*add_versions)(LibraryVersions& versions);
};

// All of them, with all their targets.
std::span<const Backend> backends();

// The versions of the libraries that can be loaded here, by the names of the distributions that have them for Python
// (`onnxruntime`), as fingerprints of engines name them: what `this_machine` takes.
LibraryVersions library_versions();

}  // namespace latentlink
