// From bundles to a pipeline: choose the components, open an engine for each, link them, and prove them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bundle/bundle.h"
#include "linking/decisions.h"
#include "linking/link.h"
#include "linking/opening.h"
#include "linking/source.h"
#include "picture_files/record.h"
#include "text/prompts.h"
#include "vocabulary/spaces.h"

namespace latentlink {

struct LoadOptions {
    std::string target = "auto";  // a key of `TARGETS`, or `auto` for the first engine that is valid on this machine
    // Components to take from other bundles, as `{"vae_decoder", "other_bundle"}`.
    std::vector<std::pair<std::string, std::string>> replace = {};
    std::optional<int> threads = {};  // for one engine's run; none uses all processors that this process may use
    // Whether engines have to prove what they compute before anything is drawn: every engine on the probes of its own
    // bundle, and one from another bundle than the denoiser's also on those of the denoiser's. None: once for each
    // bundle on this machine; proofs are kept in the user's cache. True: now. False: never.
    std::optional<bool> verify = {};
    // Maximum bytes that decoding or encoding a picture may take beyond the engine's weights; none sets no budget.
    std::optional<std::int64_t> vae_memory = {};
    // Maximum total bytes of the files of the open engines; none keeps all open.
    std::optional<std::int64_t> engine_memory = {};
    std::optional<std::string> previews = {};  // bundle whose decoder makes previews; none uses the pipeline's decoder
    OnProgress on_progress = {};               // called with (bytes checked, total bytes) while files are checked
};

// What a pipeline is made of.
struct Loaded {
    std::string name;                                     // as the user gave it
    BundlePtr bundle;                                     // the pipeline's own, with its manifest
    Sampling sampling;                                    // of the denoiser's bundle, whichever that is
    LinkedVae halves;                                     // of the VAE
    std::optional<Linked> linked;                         // none if it is a VAE alone
    std::map<std::string, Prompts, std::less<>> prompts;  // a tokenizer for every text encoder
    LatentSpace space;                                    // of the denoiser, or of a VAE alone
    std::vector<Engine> engines;                          // all; the owner closes their sessions
    Origin origin;                                        // what pictures say of the model
    std::vector<Decision> decisions;
    std::optional<std::int64_t> vae_memory;
    // By component, a function that opens an engine of a wider precision, with the same checks.
    std::map<std::string, std::function<Engine()>, std::less<>> wider;
    std::optional<LinkedVae> previews;  // the halves linked with another decoder
};

// Open a bundle, by its directory or one of the `SHIPPED` names, and link its engines. A bundle of a VAE alone, or of
// one half, is opened too. Throws UsageError: an argument is out of range; there is no such bundle, component or
// target; or one engine alone is larger than `engine_memory`; BundleError: a bundle is damaged or tampered with, or an
// engine does not compute what its probes say; PreflightError: no engine of a component is valid on this machine;
// LinkError: the engines do not fit, or one does not compute what its symbols or its bundle's probes say, where several
// bundles take part.
Loaded load(const std::string& bundle, const LoadOptions& options = {});

// Which engine of every component `load` would open, and which it would pass over. No file is hashed.
// Throws as `load`.
std::vector<Decision> decide(const std::string& bundle, const std::string& target = "auto");

// Open one component of a bundle by itself, without linking it. The caller closes the engine's session. None if the
// bundle has no such component. Throws as `load`.
std::optional<std::pair<Engine, BundlePtr>> open_component(const std::string& bundle, const std::string& component,
                                                           const std::string& target = "auto",
                                                           std::optional<int> threads = {});

}  // namespace latentlink
