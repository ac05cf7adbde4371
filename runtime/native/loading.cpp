#include "loading.h"

#include <algorithm>

#include "probing/prove.h"
#include "request/resolved.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Open the directory of a bundle.
// Throws UsageError: there is none, or it is an export; BundleError: it is damaged.
BundlePtr read(const std::string& name, const OnProgress& on_progress, bool check_files = true) {
    auto opened = std::make_shared<const Bundle>(Bundle::open(bundle_path(name), check_files, on_progress));
    if (opened->manifest.kind != "bundle") {
        throw UsageError(repr(name) + " is an export, not a bundle.",
                         "Build it: latentlink build " + name + " BUNDLE.");
    }
    return opened;
}

// A component of a bundle.
// Throws UsageError: the bundle has no such component.
ComponentSource part(const BundlePtr& bundle, const std::string& name, const std::string& component,
                     const std::string& purpose = "") {
    const auto& components = bundle->manifest.components;
    if (components.contains(component)) return {component, name, bundle};
    std::string known;
    for (const auto& [one, entry] : components) known += (known.empty() ? "" : ", ") + one;
    throw UsageError(repr(name) + " has no " +
                     (purpose.empty() ? "component " + repr(component) : component + purpose) + "; it has " + known +
                     ".");
}

void put(std::vector<ComponentSource>& components, ComponentSource source) {
    const auto found = std::ranges::find(components, source.component, &ComponentSource::component);
    if (found == components.end()) {
        components.push_back(std::move(source));
    } else {
        *found = std::move(source);
    }
}

void drop(std::vector<ComponentSource>& components, std::string_view component) {
    std::erase_if(components, [&](const ComponentSource& one) { return one.component == component; });
}

// The bundle's components, and those that take their place.
Sources choose_sources(const std::string& bundle, const LoadOptions& options) {
    const BundlePtr own = read(bundle, options.on_progress);
    Sources sources = {.components = {}, .bundles = {own}};
    std::vector<ComponentSource>& components = sources.components;
    for (const auto& [component, entry] : own->manifest.components) components.push_back({component, bundle, own});
    for (const auto& [component, other] : options.replace) {
        const BundlePtr donor = read(other, options.on_progress);
        sources.bundles.push_back(donor);
        put(components, part(donor, other, component));
        if (component != "denoiser") continue;
        // only its own shallow denoiser reads what its deep layers write
        drop(components, SHALLOW);
        if (donor->manifest.components.contains(SHALLOW)) put(components, part(donor, other, std::string(SHALLOW)));
    }
    if (!sources.draws()) drop(components, SHALLOW);  // the link says that there is no denoiser
    return sources;
}

// Open an engine of every component into `engines`; returns the decisions to go without one.
std::vector<Decision> open_all(const Sources& sources, const Opening& opening, std::vector<OpenedEngine>& engines) {
    std::vector<Decision> without;
    for (const ComponentSource& source : sources.components) {
        Opening how = opening;
        if (source.component == SHALLOW) {  // it shares buffers with the whole denoiser, so both need the same target
            const auto denoiser = std::ranges::find_if(
                engines, [](const OpenedEngine& opened) { return opened.source.component == "denoiser"; });
            how.target = denoiser->entry.target;
            const auto& built = source.entry().engines;
            if (std::ranges::find(built, how.target, &EngineEntry::target) == built.end()) {
                without.push_back(no_step_cache(source, how.target));
                continue;
            }
        }
        engines.push_back(how.best(source));
    }
    return without;
}

std::vector<Engine> engines_of(std::span<const OpenedEngine> opened) {
    std::vector<Engine> engines;
    for (const OpenedEngine& one : opened) engines.push_back(one.engine);
    return engines;
}

// The linked engines; `linked` is filled too if they are a model that draws.
LinkedVae link_all(std::span<const Engine> engines, const Sources& sources, std::optional<Linked>& linked) {
    const Describe describe = [&](const Port& port) { return sources.describe(port); };
    if (!sources.draws()) return link_vae(engines, describe);
    linked = link(engines, describe);
    return *linked;
}

// The engines linked with the decoder of another bundle, which is proved like a replaced one.
std::pair<LinkedVae, Decision> with_decoder(const ComponentSource& donor, std::span<const OpenedEngine> engines,
                                            const Prover& prover) {
    const OpenedEngine opened = prover.opening.best(donor);
    try {
        std::vector<Engine> others;
        for (const OpenedEngine& other : engines) {
            if (other.source.component != donor.component) others.push_back(other.engine);
        }
        others.push_back(opened.engine);
        Sources known = prover.sources;
        known.bundles.push_back(donor.bundle);
        std::optional<Linked> linked;
        LinkedVae halves = link_all(others, known, linked);
        donor.entry().check_fingerprints();
        Decision decision = prover.prove(opened);
        decision.purpose = "preview";
        return {std::move(halves), std::move(decision)};
    } catch (...) {
        opened.engine.session->close();
        throw;
    }
}

// Open a wider engine, with the same checks as the engine that it replaces.
Engine open_wide(const WiderEngine& wide, OpenedEngine replaced, const Prover& prover) {
    Engine engine = wide.open();
    try {
        as_declared(engine);
        replaced.engine = engine;
        replaced.entry = wide.entry;
        prover.prove(replaced);
    } catch (...) {
        engine.session->close();
        throw;
    }
    return engine;
}

// By component, a function that opens an engine of a wider precision.
std::map<std::string, std::function<Engine()>, std::less<>> wider_engines(std::span<const OpenedEngine> engines,
                                                                          const Prover& prover) {
    std::map<std::string, std::function<Engine()>, std::less<>> found;
    for (const OpenedEngine& opened : engines) {
        if (const std::optional<WiderEngine> wide = prover.opening.wider(opened)) {
            found[opened.source.component] = [wide = *wide, opened, prover] { return open_wide(wide, opened, prover); };
        }
    }
    return found;
}

// The latent space of the denoiser, or of a VAE alone.
// Throws BundleError: no manifest has a record of it.
LatentSpace space_of(const Port& latent, const Sources& sources) {
    const std::optional<PortRecord> record = sources.describe(latent);
    if (record && std::holds_alternative<LatentSpace>(*record)) return std::get<LatentSpace>(*record);
    const ComponentSource& host = sources.host();
    throw BundleError("The manifest of " + host.name + " has no record of the latent space " + latent.symbol() +
                          " of its " + host.component + ".",
                      "The manifest was edited: get the bundle again, or build it again.");
}

// What pictures say of the model.
Origin origin_of(const Sources& sources, std::span<const OpenedEngine> engines) {
    const BundlePtr& own = sources.bundles.front();
    Origin origin = {.name = own->manifest.name, .family = own->manifest.family, .manifest = own->sha256};
    for (const ComponentSource& one : sources.components) {
        if (one.bundle != own) origin.replaced.emplace_back(one.component, one.bundle->sha256);
    }
    for (const OpenedEngine& one : engines) {
        origin.engines.emplace_back(one.source.component, std::pair(one.entry.target, one.entry.precision));
    }
    return origin;
}

// A tokenizer for every text encoder.
std::map<std::string, Prompts, std::less<>> prompts_of(const Sources& sources) {
    std::map<std::string, Prompts, std::less<>> prompts;
    for (const ComponentSource& source : sources.components) {
        if (const auto& tokenizer = source.entry().tokenizer) {
            prompts.emplace(source.component, Prompts(source.bundle->file(tokenizer->path), *tokenizer));
        }
    }
    return prompts;
}

// Link and prove engines that are open.
Loaded assemble(const std::string& bundle, const LoadOptions& options, const Sources& sources, const Opening& opening,
                std::span<const OpenedEngine> engines, std::vector<Decision> decisions) {
    Loaded loaded;
    loaded.name = bundle;
    loaded.bundle = sources.bundles.front();
    loaded.vae_memory = opening.vae_memory;
    loaded.engines = engines_of(engines);
    loaded.halves = link_all(loaded.engines, sources, loaded.linked);
    for (const OpenedEngine& opened : engines) opened.source.entry().check_fingerprints();
    // the training schedule belongs to the denoiser, whichever bundle that came from
    loaded.sampling = sources.host().bundle->manifest.sampling;
    if (loaded.linked) check_sampling(loaded.sampling);
    loaded.space = space_of(loaded.halves.latent, sources);
    loaded.prompts = prompts_of(sources);
    const Prover prover = {sources, opening, options.verify, EarlierProofs(opening.machine)};
    loaded.wider = wider_engines(engines, prover);
    std::ranges::move(prover.prove_all(engines), std::back_inserter(decisions));
    loaded.decisions = std::move(decisions);
    loaded.origin = origin_of(sources, engines);
    if (options.previews) {  // last, so that nothing can fail while its decoder is open
        const ComponentSource donor = part(read(*options.previews, options.on_progress), *options.previews,
                                           "vae_decoder", " to make previews with");
        auto [previews, decision] = with_decoder(donor, engines, prover);
        loaded.previews = std::move(previews);
        loaded.decisions.push_back(std::move(decision));
    }
    return loaded;
}

}  // namespace

Loaded load(const std::string& bundle, const LoadOptions& options) {
    Opening opening = {.target = options.target, .threads = options.threads, .vae_memory = options.vae_memory};
    if (options.engine_memory) opening.engine_memory = std::make_shared<EngineMemory>(*options.engine_memory);
    opening.check();
    for (const auto& [component, other] : options.replace) bundle_path(other, "replace[" + repr(component) + "]");
    if (options.previews) bundle_path(*options.previews, "previews");
    const Sources sources = choose_sources(bundle, options);
    std::vector<OpenedEngine> engines;
    try {
        std::vector<Decision> without = open_all(sources, opening, engines);
        return assemble(bundle, options, sources, opening, engines, std::move(without));
    } catch (...) {
        close_all(engines);
        throw;
    }
}

std::vector<Decision> decide(const std::string& bundle, const std::string& target) {
    const Opening opening = {.target = target};
    opening.check();
    const BundlePtr source = read(bundle, {}, false);
    std::vector<Decision> decisions;
    for (const auto& [component, entry] : source->manifest.components) {
        decisions.push_back(opening.decide(part(source, bundle, component)));
    }
    return decisions;
}

std::optional<std::pair<Engine, BundlePtr>> open_component(const std::string& bundle, const std::string& component,
                                                           const std::string& target, std::optional<int> threads) {
    const Opening opening = {.target = target, .threads = threads};
    opening.check();
    const BundlePtr source = read(bundle, {});
    if (!source->manifest.components.contains(component)) return std::nullopt;
    return std::pair(opening.best(part(source, bundle, component)).engine, source);
}

}  // namespace latentlink
