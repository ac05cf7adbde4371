#include "linking/choice.h"

#include <optional>

#include "quality/gate.h"
#include "targets/fingerprint.h"

namespace latentlink {

namespace {

Skipped skip(const ComponentSource& source, const EngineEntry& engine, std::string code, std::string needed,
             std::string found, std::string remedy) {
    return {.component = source.component,
            .target = engine.target,
            .precision = engine.precision,
            .code = std::move(code),
            .needed = std::move(needed),
            .found = std::move(found),
            .remedy = std::move(remedy)};
}

std::string without_stop(std::string sentence) {
    while (sentence.ends_with('.')) sentence.pop_back();
    return sentence;
}

// Why an engine is skipped; none if it can be used.
// Throws BundleError: its fingerprint was edited.
std::optional<Skipped> reason(const ComponentSource& source, const EngineEntry& engine, const Machine& machine,
                              const Refusals& refusals) {
    const auto refusal = refusals.find({engine.target, engine.path});
    if (refusal != refusals.end()) {
        const PreflightError& error = refusal->second;
        return skip(source, engine, "refused", "", without_stop(error.message()), error.remedy());
    }
    const std::optional<Quality> quality = Quality::of_parity(engine.parity.value_or(Json()));
    if (const std::string missed = quality ? quality->shortfall_summary() : ""; !missed.empty()) {
        return skip(source, engine, "below-gate", "", missed,
                    "Build it in another precision, or again, to measure it anew.");
    }
    const std::optional<Finding> finding = preflight(engine, machine);
    if (!finding) return std::nullopt;
    if (finding->code == DAMAGED) {
        throw BundleError("The fingerprint of the " + engine.target + " engine of " + source.title() +
                              " was edited: it no longer agrees with its own digest.",
                          finding->remedy);
    }
    return skip(source, engine, finding->code, finding->needed, finding->found, finding->remedy);
}

}  // namespace

Choice choose(const ComponentSource& source, std::string_view target, const Machine& machine,
              const Refusals& refusals) {
    std::vector<Skipped> skipped;
    const std::vector<EngineEntry>& engines = source.entry().engines;
    for (const EngineEntry& engine : engines) {
        if (target != "auto" && target != engine.target) continue;
        std::optional<Skipped> why = reason(source, engine, machine, refusals);
        if (!why) return {engine, std::move(skipped)};
        skipped.push_back(std::move(*why));
    }
    if (skipped.empty()) {
        std::string known;
        for (const EngineEntry& engine : engines) known += (known.empty() ? "" : ", ") + engine.target;
        throw PreflightError(
            source.name + " has no " + std::string(target) + " engine of " + source.component + "; it has " + known +
                ".",
            "Use one of these, or build it: latentlink build EXPORTED BUNDLE --target " + std::string(target) + ".");
    }
    std::string reasons;
    for (const Skipped& one : skipped) reasons += (reasons.empty() ? "" : "; ") + one.target + ": " + one.text();
    throw PreflightError("No engine of " + source.title() + " can run here. " + reasons + ".", skipped.front().remedy);
}

}  // namespace latentlink
