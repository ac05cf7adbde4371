// Engines on their probes: does every engine compute the same as its reference?
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bundle/bundle.h"
#include "linking/decisions.h"
#include "linking/opening.h"
#include "probing/earlier.h"
#include "quality/agreement.h"

namespace latentlink {

// Result of one engine's probes.
struct EngineCheck {
    std::string component;  // `vae_decoder`, ...
    std::string target;
    std::string precision;  // that it computes in
    std::string verdict;    // `passed`, `failed`, `not run` (it is for another machine) or `no probes`
    std::optional<Agreement> agreement = {};  // with its reference; none if it did not run
    int probes = 0;                           // that it ran on
    std::string reason = {};                  // why it did not pass; empty if it did

    // The proof that it passed all its probes; none if it did not.
    std::optional<Proof> proof() const;
};

struct VerifyOptions {
    bool quick = false;    // whether one probe per engine is enough
    Opening opening = {};  // its threads and machine
    std::function<void(const std::string& title)> before_engine = {};
    std::function<void(const EngineCheck& check)> after_engine = {};
};

// Run every engine of a bundle that is valid on this machine on its probes, one after the other. `opening` gives
// threads and the machine. An engine that passes all of them has proved itself for later loads, see `EarlierProofs`.
// Throws UsageError: it is an export.
std::vector<EngineCheck> verify(const Bundle& bundle, const VerifyOptions& options = {});

// Run an open engine, whose ports are the declared ones, on the probes of its own bundle; `record` is its entry in the
// manifest. The verdict is `passed`, `failed` or `no probes`.
// Throws BundleError: the file of probes is damaged, or for other ports; the engine fails; PreflightError: this machine
// has not enough memory for the probes.
EngineCheck check_engine(const Engine& engine, const Bundle& bundle, const EngineEntry& record, bool quick = false);

}  // namespace latentlink
