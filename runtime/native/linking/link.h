// The linker: decides from the engines' own symbols which engine's output feeds which engine's input.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sessions/session.h"
#include "vocabulary/ports.h"
#include "vocabulary/spaces.h"

namespace latentlink {

// Finds the latent space or text embedding behind a port's digest; none if no genuine record has it.
using Describe = std::function<std::optional<PortRecord>(const Port&)>;

// One open engine and where it comes from. Copies share the session.
struct Engine {
    std::string component;  // `text_encoder`, `denoiser`, ...
    std::string bundle;     // name of its bundle, as the user gave it
    SessionPtr session;
    std::pair<std::vector<Port>, std::vector<Port>> declared;  // input and output ports that the manifest declares
    // (smallest, best, largest) size of each free dimension that the engine was built for.
    std::map<std::string, std::array<std::int64_t, 3>, std::less<>> limits = {};

    // `vae_decoder of demo-b`, as messages name it.
    std::string title() const { return component + " of " + bundle; }
};

// The linked halves of a VAE. Both ports of the latent were compared.
struct LinkedVae {
    std::optional<Engine> decoder;  // reads the latent, writes pictures; none if the bundle has none
    std::optional<Engine> encoder;  // reads pictures, writes the latent; none if the bundle has none
    Port latent;
};

// An engine that writes what a text port of the denoiser reads.
struct LinkedText {
    std::string tensor;  // of the denoiser's input
    Engine engine;
    Port port;  // that engine's output
};

// The linked engines of a model that draws, by what they do. Every port between them was compared. The decoder is
// always there, and `latent` is the denoiser's output.
struct Linked : LinkedVae {
    Engine denoiser;                // reads coefficients; writes the latent
    std::vector<LinkedText> texts;  // in the order of the denoiser's inputs
    std::optional<Engine> shallow;  // reads the feature that the denoiser wrote, and runs in its place
};

// Connect the engines of a pipeline, replaced ones included, by their symbols. `describe` looks up the numbers behind a
// symbol, for messages.
// Throws LinkError: an input has no output of equal symbol, dtype and static shape; BundleError: an engine lacks a port
// that it needs, or its manifest declares other ports.
Linked link(std::span<const Engine> engines, const Describe& describe);

// Connect the halves of a VAE alone, of which one may be missing.
// Throws LinkError: the halves are of different latent spaces, or are no halves of a VAE; BundleError: as above.
LinkedVae link_vae(std::span<const Engine> engines, const Describe& describe);

// Check that the engine has the ports that the manifest declares; the builder may have fixed free sizes.
// Throws BundleError: it has other ports.
void as_declared(const Engine& engine);

}  // namespace latentlink
