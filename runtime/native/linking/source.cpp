#include "linking/source.h"

#include <algorithm>

namespace latentlink {

namespace {

std::string_view folder_of(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

}  // namespace

std::uint64_t ComponentSource::size(const EngineEntry& engine) const {
    std::uint64_t bytes = 0;
    for (const auto& [path, file] : bundle->manifest.files) {
        if (folder_of(path) == folder_of(engine.path)) bytes += static_cast<std::uint64_t>(file.size);
    }
    return bytes;
}

const ComponentSource* Sources::find(std::string_view component) const {
    const auto found = std::ranges::find(components, component, &ComponentSource::component);
    return found == components.end() ? nullptr : &*found;
}

const ComponentSource& Sources::host() const {
    if (const ComponentSource* denoiser = find("denoiser")) return *denoiser;
    const auto own = std::ranges::find(components, bundles.front(), &ComponentSource::bundle);
    return own == components.end() ? components.front() : *own;
}

std::optional<PortRecord> Sources::describe(const Port& port) const {
    for (const BundlePtr& bundle : bundles) {
        if (auto found = bundle->describe(port)) return found;
    }
    const LatentSpace* known = known_space(port.name);
    if (!known || latent_port(*known, port.dtype).symbol() != port.symbol()) return std::nullopt;
    return *known;
}

}  // namespace latentlink
