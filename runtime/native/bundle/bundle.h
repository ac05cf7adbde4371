// Bundles on disk: open and check them. docs/bundle-format.md is the specification. Only the Python runtime writes
// them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "bundle/manifest.h"
#include "bundle/tree.h"
#include "vocabulary/ports.h"
#include "vocabulary/spaces.h"

namespace latentlink {

// A bundle or export, checked when it was opened.
struct Bundle {
    std::filesystem::path root;
    Manifest manifest;
    // SHA-256 of `manifest.json` as it was read, which stands for all files of the bundle; none if the files were not
    // compared with the hashes in it.
    std::optional<std::string> sha256 = {};

    // Open a bundle, and check all of it before anything else reads it. Without `check_files`, the SHA-256 of every
    // file is not compared; the manifest, the set of files, their kinds and sizes, and the paths inside ONNX files are
    // still checked. `on_progress` is called with (bytes hashed, bytes in all).
    //
    // Throws UsageError: there is no such directory, or it has no `manifest.json`. Throws BundleError: the manifest
    // breaks the format; a file is missing, not listed, no regular file, or has other content than the manifest says;
    // an ONNX file names weights that are no listed file beside it. Throws MachineError: a file cannot be read.
    static Bundle open(const std::filesystem::path& path, bool check_files = true, const OnProgress& on_progress = {});

    // The path of a listed file.
    // Throws BundleError: the manifest does not list it, or it is no longer a regular file.
    std::filesystem::path file(std::string_view path) const;

    // The record with this digest; null if there is none, or more than one.
    const LatentSpace* space(std::string_view digest) const;
    const TextEmbedding* embedding(std::string_view digest) const;

    // The record that a port's symbol was made from; none if no record gives that symbol. Unlike a look-up by digest,
    // it also compares the name and the sizes in the symbol.
    std::optional<PortRecord> describe(const Port& port) const;
};

}  // namespace latentlink
