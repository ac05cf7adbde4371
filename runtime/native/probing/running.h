// Running an engine on probes, and their prompts through its tokenizer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bundle/bundle.h"
#include "bundle/probes.h"
#include "sessions/session.h"
#include "text/prompts.h"

namespace latentlink {

// A bundle's probes of a component with the ports of `entry`. The manifest names their file.
// Throws BundleError: the file is damaged, or for other ports.
Probes load_probes(const Bundle& bundle, const std::string& component, const ComponentEntry& entry);

// A function that runs a session on host arrays.
RunEngine runner(SessionPtr session);

// Why the manifest's schedule is not the one that the denoiser was exported with; empty if it is.
std::string training_differs(const Bundle& bundle, const Probes& probes);

// Why the tokenizer is not the reference's: it makes other ids of a golden prompt; empty if it agrees.
std::string tokens_differ(const Bundle& bundle, const ComponentEntry& entry, const Probes& probes);

// A component's tokenizer; none if it reads no tokens.
std::optional<Prompts> tokenizer_of(const Bundle& bundle, const ComponentEntry& entry);

// Ids of a prompt's first piece; none without a prompt, or if it is longer than the encoder reads: the probe holds what
// fits.
std::optional<std::vector<std::int32_t>> token_ids(const Prompts& prompts, const std::optional<std::string>& prompt);

}  // namespace latentlink
