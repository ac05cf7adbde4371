// Probes: golden inputs of a component, and what its reference computed from them.
//
// A check compares the compiled engine's own outputs with the reference's own numbers. So neither an edited manifest
// nor a forged symbol can make one model's component pass for another's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bundle/engine_entry.h"
#include "quality/agreement.h"
#include "vocabulary/array.h"
#include "vocabulary/ports.h"

namespace latentlink {

// Arrays by tensor name.
using Arrays = std::map<std::string, Array, std::less<>>;

// Runs an engine: inputs to outputs.
using RunEngine = std::function<Arrays(const Arrays& inputs)>;

// End of the name of a probe that was made for the sizes of an engine.
inline constexpr std::string_view FITTED_SUFFIX = "-fitted";

// The reference of such a probe: the exported graph, run by ONNX Runtime.
inline constexpr std::string_view FITTED_REFERENCE = "onnx";

// One golden input and the reference's outputs.
struct Probe {
    std::string name;  // what it shows: `edges-64x64`
    Arrays inputs;     // one for every input port
    Arrays outputs;    // for every output port the reference's array, or every `stride`-th element of it, flattened
    std::map<std::string, std::int64_t, std::less<>> strides = {};  // by tensor; 1 for one that is not named
    std::optional<std::string> prompt = {};                         // the text that the token ids are made from

    // Pairs of an engine's output and the reference's, as `measure_agreement` takes them.
    // Throws BundleError: an output has another shape than the reference's.
    std::vector<std::pair<Array, Array>> pairs(const Arrays& outputs) const;

    bool fitted() const { return name.ends_with(FITTED_SUFFIX); }
};

// The probes of one component.
struct Probes {
    std::string reference;      // what computed the outputs: `torch 2.13.0 float32`
    std::vector<Probe> probes;  // at least one; a quick check takes the first
    // `Sampling::training()` of the export, in the denoiser's probes: no output of an engine shows which schedule it
    // was trained with. None in those of other components, and in bundles of earlier versions.
    std::optional<Json> training = {};

    // Run an engine, which computes in `precision`, on its probes; `quick` on the first one only.
    Agreement check(const RunEngine& run, std::string_view precision, bool quick = false) const;

    // The probes of sizes that an engine takes, none if there is none; fitted ones only if no other is. `limits` are
    // the sizes that the engine was built for, `ports` the component's inputs.
    std::optional<Probes> within(const SizeLimits& limits, std::span<const Port> ports) const;
};

}  // namespace latentlink
