// The libraries that this program opens engines with.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace latentlink {

// A library that runs engines, and whether this program was built with it.
struct Backend {
    std::string_view name;  // `ONNX Runtime`
    bool built_in;
    std::span<const std::string_view> targets;  // that need it
};

// All of them, in the order of their targets.
std::span<const Backend> backends();

// Version by name of the distribution that has the same library for Python (`onnxruntime`), as fingerprints name it, of
// those that can be loaded here: what `this_machine` takes.
std::map<std::string, std::string, std::less<>> library_versions();

}  // namespace latentlink
