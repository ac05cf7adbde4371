// The fingerprint: what an engine depends on, and whether a machine has it, checked without opening the engine.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bundle/engine_entry.h"
#include "targets/machine.h"

namespace latentlink {

// Code of a fingerprint that was edited: it is valid on no machine.
inline constexpr std::string_view DAMAGED = "fingerprint";

// Why an engine cannot run on a machine.
struct Finding {
    // `unknown-target`, `fingerprint`, `no-runtime`, `runtime-version`, `system`, `architecture`, `processor`,
    // `no-device`, `compute-capability` or `driver`
    std::string code;
    std::string needed;  // what the engine is valid for
    std::string found;   // what the machine has
    std::string remedy;  // what to do

    // Without the remedy: `engine valid for compute capability 8.0-12.x, this machine has no CUDA device (no-device)`.
    std::string reason() const;
    std::string text() const { return reason() + ". " + remedy; }

    bool operator==(const Finding&) const = default;
};

// Why an engine cannot run on a machine; none if it can.
std::optional<Finding> preflight(const EngineEntry& engine, const Machine& machine);

// Whether a compute capability is the given one (`8.6`), or in the given range (`8.0-12.x`).
bool covers(std::string_view text, std::pair<int, int> capability);

}  // namespace latentlink
