// The table of targets, the fastest first: what each needs of a machine. Preflight and sessions share it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace latentlink {

// A library that builds or opens engines, as its package for Python brings it.
struct Package {
    std::string_view title;                       // its name for people, as in fingerprints
    std::vector<std::string_view> distributions;  // that bring it; any one is enough
    std::string_view install;                     // command that installs it
    // Command that installs the release `{}` or `{0}`, if an engine opens only with the release that built it; empty if
    // it also opens with later ones.
    std::string_view pin = "";
    std::string_view soname = "";  // of the library that counts, where another one is linked with it
};

// What only Python needs to open an engine is not in it.
struct Target {
    std::string_view name;
    std::string_view file;                     // name of the engine's file
    std::vector<Package> packages;             // all that build and open it
    bool gpu = false;                          // it runs on an NVIDIA GPU
    bool local = false;                        // an engine is built for the GPU of the building machine
    bool profiles = false;                     // the builder needs a smallest, a best and a largest size
    bool systems = true;                       // an engine also opens on other operating systems than the builder's
    std::vector<std::string_view> kinds = {};  // compute capabilities that its builder can be asked for
    // By precision, the processor instructions that it needs, any one of them, by Linux's names.
    std::vector<std::pair<std::string_view, std::vector<std::string_view>>> instructions = {};
};

// All targets, in the order of preference within a bundle.
std::span<const Target> targets();

// The target of a name; null if there is none.
const Target* target_named(std::string_view name);

// The target that runs on any processor.
inline constexpr std::string_view REFERENCE_TARGET = "ort-cpu";

// The target for the processor that reads engine files with this suffix (`.onnx`); none if there is none.
std::optional<std::string_view> target_for_file(std::string_view suffix);

}  // namespace latentlink
