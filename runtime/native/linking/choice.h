// The choice of a component's engine: the first one of the requested target that is valid on this machine.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linking/decisions.h"
#include "linking/source.h"
#include "targets/machine.h"
#include "vocabulary/errors.h"

namespace latentlink {

// By target and path, engines that were tried and why they did not open.
using Refusals = std::map<std::pair<std::string, std::string>, PreflightError>;

// An engine, and those that were skipped before it.
struct Choice {
    EngineEntry engine;
    std::vector<Skipped> skipped;
};

// Choose a component's engine, without opening any. The bundle lists the preferred one first; `target` is the only one
// to use, or `auto`. Throws PreflightError: none is valid on this machine, or the bundle has none for that target;
// BundleError: an engine's fingerprint was edited.
Choice choose(const ComponentSource& source, std::string_view target, const Machine& machine,
              const Refusals& refusals = {});

}  // namespace latentlink
