#include "probing/verify.h"

#include <new>
#include <span>

#include "linking/link.h"
#include "probing/running.h"
#include "targets/fingerprint.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Open an engine, and run its probes.
EngineCheck check_closed(const Bundle& bundle, const std::string& component, const EngineEntry& record,
                         const VerifyOptions& options) {
    EngineCheck head = {
        .component = component, .target = record.target, .precision = record.precision, .verdict = "not run"};
    const Opening& opening = options.opening;
    if (const std::optional<Finding> finding = preflight(record, opening.machine)) {
        head.reason = finding->text();
        return head;
    }
    const ComponentEntry& entry = bundle.manifest.components.at(component);
    try {
        const Closing session(
            opening.open_session(bundle.file(record.path), record.target, {.threads = opening.threads}));
        const Engine engine = {
            component, bundle.root.string(), session.get(), {entry.inputs, entry.outputs}, record.limits};
        as_declared(engine);
        entry.check_fingerprints();
        EngineCheck found = check_engine(engine, bundle, record, options.quick);
        const Bundle* const bundles[] = {&bundle};
        const std::optional<Subject> subject = EarlierProofs::subject(bundles, component, record);
        const std::optional<Proof> proof = found.proof();
        if (subject && proof && !options.quick) EarlierProofs(opening.machine).keep(*proof, *subject);
        return found;
    } catch (const PreflightError& error) {
        head.reason = error.what();
    } catch (const MachineError&) {
        throw;
    } catch (const Cancelled&) {
        throw;
    } catch (const Error& error) {
        head.verdict = "failed";
        head.reason = error.message();
    }
    return head;
}

}  // namespace

std::optional<Proof> EngineCheck::proof() const {
    if (verdict != "passed" || !agreement) return std::nullopt;
    return Proof{.probes = probes, .psnr = agreement->psnr, .worst = agreement->worst};
}

std::vector<EngineCheck> verify(const Bundle& bundle, const VerifyOptions& options) {
    options.opening.check();
    const std::string root = bundle.root.string();
    if (bundle.manifest.kind != "bundle") {
        throw UsageError(repr(root) +
                             " is an export, not a bundle; its graphs were compared with torch when it was "
                             "made.",
                         "Build it, which runs the probes: latentlink build " + root + " BUNDLE.");
    }
    std::vector<EngineCheck> checks;
    for (const auto& [component, entry] : bundle.manifest.components) {
        for (const EngineEntry& engine : entry.engines) {
            if (options.before_engine) options.before_engine(component + " for " + engine.target);
            checks.push_back(check_closed(bundle, component, engine, options));
            if (options.after_engine) options.after_engine(checks.back());
        }
    }
    return checks;
}

EngineCheck check_engine(const Engine& engine, const Bundle& bundle, const EngineEntry& record, bool quick) {
    const std::string& component = engine.component;
    EngineCheck head = {
        .component = component, .target = record.target, .precision = record.precision, .verdict = "no probes"};
    if (!bundle.manifest.probes.contains(component)) {
        head.reason = "the bundle has no probes of it";
        return head;
    }
    const ComponentEntry& entry = bundle.manifest.components.at(component);
    const std::optional<Probes> probes = load_probes(bundle, component, entry).within(record.limits, entry.inputs);
    if (!probes) {
        head.reason = "the bundle has none of the sizes it was built for";
        return head;
    }
    try {
        head.agreement = probes->check(runner(engine.session), record.precision, quick);
    } catch (const std::bad_alloc&) {
        throw PreflightError(engine.title() +
                                 " needs more memory than this machine has, even for the golden inputs of "
                                 "its own bundle.",
                             "Run it on a machine with more memory.");
    }
    head.reason = head.agreement->summary();
    if (head.reason.empty()) head.reason = tokens_differ(bundle, entry, *probes);
    if (head.reason.empty()) head.reason = training_differs(bundle, *probes);
    head.verdict = head.reason.empty() ? "passed" : "failed";
    head.probes = quick ? 1 : static_cast<int>(probes->probes.size());
    return head;
}

}  // namespace latentlink
