// The manifest of a bundle as a value: docs/bundle-format.md in types.
//
// Every record is checked when it is read, so that a `Manifest` is always one that the format allows. An error names
// the key, the value received and what was expected.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/component_entry.h"
#include "bundle/sampling.h"
#include "bundle/tree.h"
#include "vocabulary/json.h"
#include "vocabulary/spaces.h"

namespace latentlink {

inline constexpr std::size_t MAX_MANIFEST_BYTES = 4u << 20;

// The component that replaces the denoiser on steps that reuse the cached output of its deep layers.
inline constexpr std::string_view SHALLOW = "denoiser_shallow";

// The content of `manifest.json`.
struct Manifest {
    std::string kind;                       // `bundle` (engines to run) or `export` (ONNX graphs to build engines from)
    std::string name;                       // short, for messages and commands
    std::string family;                     // model family, for people only
    std::vector<LatentSpace> spaces;        // that the digests of latent ports stand for
    std::vector<TextEmbedding> embeddings;  // that the digests of text ports stand for
    std::map<std::string, ComponentEntry, std::less<>> components;  // `text_encoder`, `denoiser`, `vae_decoder`, ...
    Sampling sampling;
    std::map<std::string, std::string, std::less<>> provenance;  // free text: tool versions, the checkpoint's name
    // Path of the probes by component; also of components that are not in this bundle, so that a replacement from
    // another bundle can be checked.
    std::map<std::string, std::string, std::less<>> probes = {};
    std::map<std::string, FileEntry, std::less<>> files = {};  // by path, every file except the manifest

    // Equal manifests give equal JSON, in equal order.
    Json to_json() const;

    // Read the JSON values of a whole manifest.
    // Throws ManifestError: it breaks a rule of docs/bundle-format.md.
    static Manifest from_json(const Json& value);

    // Read the content of `manifest.json`.
    // Throws ManifestError: it is no UTF-8 JSON, names a key twice, is larger than 4 MiB, or breaks another rule.
    static Manifest from_bytes(std::string_view bytes);
};

}  // namespace latentlink
