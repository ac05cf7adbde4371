// This machine: libraries, operating system, processor, GPUs and driver, found without opening any engine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "targets/table.h"

namespace latentlink {

// An NVIDIA GPU.
struct Gpu {
    std::string name;                // the driver's name of it
    std::pair<int, int> capability;  // compute capability, (major, minor)
    std::uint64_t memory = 0;        // bytes
};

// Version by name of a distribution, as this program has them: the session backends say what they were linked with.
using Versions = std::map<std::string, std::string, std::less<>>;

// The properties of a machine that engines can depend on.
struct Machine {
    std::string os;            // `linux`, `windows`, `darwin`
    std::string architecture;  // of the processor, as `x86_64`
    std::optional<std::pair<int, int>> driver =
        {};                      // newest CUDA version that the NVIDIA driver runs; none without one
    std::vector<Gpu> gpus = {};  // those that this process may use; engines run on the first
    Versions versions = {};
    std::string processor = "";                            // its name; empty if unknown
    std::set<std::string, std::less<>> instructions = {};  // of the processor that targets ask for, by Linux's names

    // Version of a package, or none.
    std::optional<std::string> version(const Package& package) const;
};

// The machine that this process runs on, with the versions of the libraries that this program opens engines with.
Machine this_machine(Versions versions);

}  // namespace latentlink
