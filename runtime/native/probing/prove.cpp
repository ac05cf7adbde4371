#include "probing/prove.h"

#include <algorithm>
#include <map>

#include "bundle/record_checks.h"
#include "probing/candidate.h"
#include "probing/running.h"
#include "probing/verify.h"
#include "vocabulary/errors.h"

namespace latentlink {

std::vector<Decision> Prover::prove_all(std::span<const OpenedEngine> engines) const {
    std::map<std::string, Decision> decisions;
    for (const bool replacing : {true, false}) {
        for (const OpenedEngine& opened : engines) {
            if (replaces(opened) == replacing) decisions[opened.source.component] = prove(opened);
        }
    }
    std::vector<Decision> listed;
    for (const OpenedEngine& opened : engines) listed.push_back(decisions.at(opened.source.component));
    return listed;
}

Decision Prover::prove(const OpenedEngine& opened) const {
    Decision decision = opened.decision();
    if (verify == false) return decision;
    try {
        if (replaces(opened)) decision.admission = admission(opened);
        decision.proof = proof(opened);
        return decision;
    } catch (const BundleError& error) {
        const BundlePtr& own = sources.bundles.front();
        if (opened.source.bundle == own && sources.host().bundle == own) throw;
        throw LinkError(error.message(), error.remedy());
    }
}

// Whether an engine comes from another bundle than the denoiser.
bool Prover::replaces(const OpenedEngine& opened) const { return opened.source.bundle != sources.host().bundle; }

// What an engine showed on the probes of its own bundle; none if it needs none, as it replaces another.
std::optional<Proof> Prover::proof(const OpenedEngine& opened) const {
    const Bundle& bundle = *opened.source.bundle;
    const std::string title = opened.engine.title();
    const auto run = [&]() -> std::optional<Proof> {
        const EngineCheck found = check_engine(opened.engine, bundle, opened.entry);
        if (found.verdict == "failed") {
            throw BundleError(title + " does not compute what its probe says: " + found.reason + ".", DAMAGED_REMEDY);
        }
        if (const std::optional<Proof> shown = found.proof()) return shown;
        if (replaces(opened)) return std::nullopt;
        throw BundleError(opened.engine.bundle + " has no probes of its " + opened.source.component +
                              " to verify it by: " + found.reason + ".",
                          "Export and build it again, or link by the symbols alone: verify=False.");
    };
    const Bundle* const bundles[] = {&bundle};
    return once<Proof>(opened, bundles, run);
}

// What an engine that replaces another showed on the probes of the denoiser's bundle.
std::optional<Admission> Prover::admission(const OpenedEngine& opened) const {
    const ComponentSource& host = sources.host();
    const ComponentSource own = {opened.source.component, host.name, host.bundle};
    const RunEngine reference = [&](const Arrays& inputs) {
        if (!own.bundle->manifest.components.contains(own.component)) {
            throw LinkError(opened.engine.title() + " was built for other sizes than the probes of " + own.name +
                                " have, and " + own.name + " has no " + own.component +
                                " of its own to make more with.",
                            "Build it for the size of the probes too, or link by the symbols alone: verify=False.");
        }
        Opening whole = opening;
        whole.vae_memory.reset();
        const Closing session(whole.best(own).engine.session);
        return runner(session.get())(inputs);
    };
    const auto run = [&]() -> std::optional<Admission> {
        const CandidateResult found =
            check_candidate(opened.engine, *opened.source.bundle, *host.bundle, host.name, reference);
        return Admission{.host = host.name, .same = found.same(), .snr = found.snr};
    };
    const Bundle* const bundles[] = {opened.source.bundle.get(), host.bundle.get()};
    std::optional<Admission> shown = once<Admission>(opened, bundles, run);
    if (shown) shown->host = host.name;
    return shown;
}

// An earlier proof if one counts, or what `run` finds now.
template <typename Kind>
std::optional<Kind> Prover::once(const OpenedEngine& opened, std::span<const Bundle* const> bundles,
                                 const std::function<std::optional<Kind>()>& run) const {
    const std::optional<Subject> subject = EarlierProofs::subject(bundles, opened.source.component, opened.entry);
    if (!verify && subject) {
        if (std::optional<Kind> kept = earlier.find<Kind>(*subject)) return kept;
    }
    const std::optional<Kind> found = run();
    opened.engine.session->trim();
    if (subject && found) earlier.keep(*found, *subject);
    return found;
}

}  // namespace latentlink
