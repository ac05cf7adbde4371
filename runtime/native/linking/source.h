// The source of a component: a bundle, with the name that the user gave it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/bundle.h"
#include "linking/link.h"

namespace latentlink {

using BundlePtr = std::shared_ptr<const Bundle>;

// One component of one bundle.
struct ComponentSource {
    std::string component;  // `vae_decoder`, ...
    std::string name;       // of the bundle, as the user gave it
    BundlePtr bundle;

    // `vae_decoder of demo-b`.
    std::string title() const { return component + " of " + name; }

    // The component's entry in the bundle's manifest.
    const ComponentEntry& entry() const { return bundle->manifest.components.at(component); }

    // Bytes of an engine's files: all in its folder.
    std::uint64_t size(const EngineEntry& engine) const;
};

// The components of a pipeline.
struct Sources {
    std::vector<ComponentSource> components;  // one for each component, in the order in which they are opened
    std::vector<BundlePtr> bundles;           // that they come from, the pipeline's own first

    // The source of a component; null if the pipeline has none.
    const ComponentSource* find(std::string_view component) const;

    // The denoiser's source: its bundle says what latents mean, and how they are sampled. Of a VAE alone, a half that
    // was not replaced.
    const ComponentSource& host() const;

    // Whether they are a model that draws, and not a VAE alone.
    bool draws() const { return find("denoiser") != nullptr; }

    // The record behind a port's symbol: from a manifest, or a known space, if it makes exactly this symbol.
    std::optional<PortRecord> describe(const Port& port) const;
};

}  // namespace latentlink
