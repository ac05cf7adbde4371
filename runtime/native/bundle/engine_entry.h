// The manifest's record of an engine: one component compiled for one target.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "vocabulary/json.h"

namespace latentlink {

// One fact of a fingerprint: text, an integer, true, false, null or a list of text.
using Fact = Json;
using Facts = std::map<std::string, Fact, std::less<>>;

// Smallest, best and largest size of a dimension. Three equal sizes make it fixed.
using SizeRange = std::array<std::int64_t, 3>;

// Size range by free dimension.
using SizeLimits = std::map<std::string, SizeRange, std::less<>>;

// The target of a graph that `latentlink export` wrote: no engine yet.
inline constexpr std::string_view EXPORTED = "onnx";

// One component compiled for one target.
struct EngineEntry {
    std::string target;      // `ort-cpu`, `tensorrt`, ...; EXPORTED for a graph that engines are built from
    std::string precision;   // what it computes in: `float32`, `float16`, `int8`, ...
    std::string path;        // the engine's file; files that it needs are in the same folder
    Facts fingerprint = {};  // about the machine and the build that the engine depends on
    SizeLimits limits = {};  // a dimension that is not named takes any size
    // How it compares with its reference, an object of numbers and texts; none if it was not compared. It has the keys
    // `reference` (text), `max_abs`, `relative` and `tolerance`.
    std::optional<Json> parity = {};

    Json to_json() const;

    // Throws ManifestError.
    static EngineEntry from_json(const Json& value);

    bool operator==(const EngineEntry&) const = default;
};

}  // namespace latentlink
