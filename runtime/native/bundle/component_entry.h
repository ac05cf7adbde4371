// The manifest's record of a component: its ports, engines and tokenizer.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bundle/engine_comparison.h"
#include "bundle/engine_entry.h"
#include "bundle/tokenizer_entry.h"
#include "vocabulary/json.h"
#include "vocabulary/ports.h"

namespace latentlink {

// One component: its ports, its engines, and the tokenizer of a text encoder.
struct ComponentEntry {
    std::vector<Port> inputs, outputs;              // in the order of the engine's, with shapes
    std::vector<EngineEntry> engines;               // at least one
    std::optional<TokenizerEntry> tokenizer = {};   // present if, and only if, an input is of kind `tokens`
    std::string overflows = {};                     // why it must not compute in float16; empty if it may
    std::optional<EngineComparison> measured = {};  // by which its target was chosen; none if the user named it

    // Refuse engines of other ports, and two engines of one precision that were not built from one graph. A reader asks
    // for it once the engines' own ports have been linked, whose refusal says more.
    // Throws BundleError.
    void check_fingerprints() const;

    Json to_json() const;

    // Throws ManifestError.
    static ComponentEntry from_json(const Json& value);

    bool operator==(const ComponentEntry&) const = default;
};

// Digest of a component's ports, for the fingerprints of its engines: 8 hex digits over the tensors' names.
std::string ports_digest(std::span<const Port> inputs, std::span<const Port> outputs);

}  // namespace latentlink
