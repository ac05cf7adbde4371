#include "linking/opening.h"

#include <algorithm>

#include "linking/choice.h"
#include "quality/precisions.h"
#include "targets/fingerprint.h"
#include "targets/table.h"
#include "vocabulary/checks.h"
#include "vocabulary/errors.h"

namespace latentlink {

namespace {

bool on_gpu(std::string_view target) {
    const Target* known = target_named(target);
    return known && known->gpu;
}

bool has_pictures(const ComponentEntry& entry) {
    const auto is_image = [](const Port& port) { return port.kind == "image"; };
    return std::ranges::any_of(entry.inputs, is_image) || std::ranges::any_of(entry.outputs, is_image);
}

}  // namespace

Decision OpenedEngine::decision() const {
    return {.component = source.component,
            .bundle = source.name,
            .target = entry.target,
            .precision = entry.precision,
            .skipped = skipped,
            .placement = on_gpu(entry.target) ? engine.session->placement() : std::map<std::string, int>()};
}

void Opening::check() const {
    std::vector<std::string_view> known = {"auto"};
    for (const Target& one : targets()) known.push_back(one.name);
    choice("target", target, known);
    if (threads) check_threads(*threads);
    if (vae_memory) byte_count("vae_memory", *vae_memory);
}

Decision Opening::decide(const ComponentSource& source) const {
    Choice chosen = choose(source, target, machine);
    return {.component = source.component,
            .bundle = source.name,
            .target = chosen.engine.target,
            .precision = chosen.engine.precision,
            .skipped = std::move(chosen.skipped)};
}

OpenedEngine Opening::best(const ComponentSource& source) const {
    Refusals refusals;
    while (true) {
        Choice chosen = choose(source, target, machine, refusals);
        try {
            return {open(source, chosen.engine), source, chosen.engine, std::move(chosen.skipped)};
        } catch (const PreflightError& error) {
            if (target != "auto") throw;
            // its own runtime found what no fingerprint can tell
            refusals.insert_or_assign({chosen.engine.target, chosen.engine.path}, error);
        }
    }
}

std::optional<WiderEngine> Opening::wider(const OpenedEngine& opened) const {
    const ComponentSource& source = opened.source;
    // a precision that is not listed is compared as the narrowest that is
    const int narrow = std::max(range_rank(opened.entry.precision), 0);
    for (const EngineEntry& entry : source.entry().engines) {
        const bool wide = range_rank(entry.precision) > narrow;
        if (!wide || (target != "auto" && target != entry.target) || preflight(entry, machine)) continue;
        if (engine_memory) engine_memory->check(source.title() + " in " + entry.precision, source.size(entry));
        return WiderEngine{[how = *this, source, entry] { return how.open(source, entry); }, entry};
    }
    return std::nullopt;
}

Engine Opening::open(const ComponentSource& source, const EngineEntry& entry) const {
    const ComponentEntry& declared = source.entry();
    const bool low_memory = vae_memory && has_pictures(declared);
    if (low_memory && on_gpu(entry.target)) {
        throw UsageError(
            source.title() + " runs on a GPU (" + entry.target + "), for which no memory budget can be measured.",
            "Leave vae_memory out, or build the VAE for a size that fits: larger pictures are processed "
            "in several passes.");
    }
    const std::filesystem::path path = source.bundle->file(entry.path);
    const SessionOptions options = {.threads = threads, .low_memory = low_memory};
    auto opener = [path, options, target = entry.target, open = open_session] { return open(path, target, options); };
    SessionPtr session;
    if (engine_memory) {
        session = std::make_shared<ReopeningSession>(
            ReopeningSession::Settings{source.title(), path, source.size(entry), std::move(opener), engine_memory});
    } else {
        session = opener();
    }
    return {source.component, source.name, std::move(session), {declared.inputs, declared.outputs}, entry.limits};
}

Decision no_step_cache(const ComponentSource& source, std::string_view target) {
    const std::string name(target);
    return {.component = std::string(SHALLOW),
            .bundle = source.name,
            .target = std::nullopt,
            .precision = std::nullopt,
            .skipped = {{.component = std::string(SHALLOW),
                         .target = name,
                         .precision = "",
                         .code = "no-engine",
                         .needed = "an engine for " + name,
                         .found = "none in " + source.name,
                         .remedy = "Build it: latentlink build EXPORTED BUNDLE --target " + name + "."}}};
}

void close_all(std::span<const OpenedEngine> engines) {
    for (const OpenedEngine& opened : engines) opened.engine.session->close();
}

}  // namespace latentlink
