// Probes on disk: one safetensors file a component. docs/bundle-format.md has the layout.
#pragma once

#include <filesystem>
#include <span>

#include "bundle/probes.h"
#include "vocabulary/ports.h"

namespace latentlink {

// Read the probes of a component from a file that is not trusted.
// Throws BundleError: it is no file of probes, or its tensors are not those of the ports. Throws MachineError: it
// cannot be read.
Probes read_probes(const std::filesystem::path& path, std::span<const Port> inputs, std::span<const Port> outputs);

}  // namespace latentlink
