// The manifest's record of what `latentlink build --target auto` measured to choose a component's target.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vocabulary/json.h"

namespace latentlink {

// One engine that was built and compared with others.
struct ComparedEngine {
    std::string target, precision;
    std::optional<double> seconds = {};  // median time of one run; none if it was not timed
    std::optional<double> psnr = {};     // dB, on the component's probes; none if equal, or no probe was run
    std::optional<double> worst = {};    // largest difference, as a share of the reference's largest value
    std::string reason = {};             // why it was dropped; empty if it was chosen, or was only slower

    Json to_json() const;

    // Throws ManifestError.
    static ComparedEngine from_json(const Json& value);

    bool operator==(const ComparedEngine&) const = default;
};

// The engines that were compared for a component, on one machine.
struct EngineComparison {
    std::string on;                                          // its processor, the number of processors, its GPU
    std::map<std::string, std::int64_t, std::less<>> sizes;  // of the component's free dimensions in the timed runs
    std::vector<ComparedEngine> candidates;                  // the fastest first, then those that were not timed

    Json to_json() const;

    // Throws ManifestError.
    static EngineComparison from_json(const Json& value);

    bool operator==(const EngineComparison&) const = default;
};

}  // namespace latentlink
