// The files of a directory with their sizes and hashes. Only regular files and directories are accepted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/json.h"

namespace latentlink {

// Called with (bytes done, bytes in all).
using OnProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// The manifest's record of a file: `sha256` in 64 hex digits, `size` in bytes.
struct FileEntry {
    std::string sha256;
    std::uint64_t size = 0;

    Json to_json() const;

    // Throws ManifestError.
    static FileEntry from_json(const Json& value);

    bool operator==(const FileEntry&) const = default;
};

// A file by POSIX path relative to a directory, and its size in bytes.
struct SizedFile {
    std::string path;
    std::uint64_t size = 0;
};

// The content of a directory, in the order in which it was found.
struct Tree {
    std::vector<SizedFile> files;
    std::vector<std::string> folders;  // all except the top one
};

// `root / path`, spelled as in Python, where the working directory is not repeated: `model.onnx`, not `./model.onnx`.
std::filesystem::path below(const std::filesystem::path& root, std::string_view path);

// List a directory without following links.
// Throws BundleError: it holds a link, device, FIFO or socket, or more than 20,000 entries or 64 levels.
// Throws MachineError: it cannot be read.
Tree read_tree(const std::filesystem::path& root);

// The file `path` below `root`, if it is a regular file in plain directories.
// Throws BundleError: it, or a directory on the way, is missing, a link, a device, ...
std::filesystem::path check_regular(const std::filesystem::path& root, std::string_view path);

// Open a regular file for reading, without following links or waiting for a FIFO's writer.
// Throws BundleError: it is no regular file. Throws MachineError: it cannot be opened.
Descriptor open_regular(const std::filesystem::path& path);

// The size of an open file in bytes. `path` is for the error. Throws MachineError.
std::uint64_t size_of(const Descriptor& file, const std::filesystem::path& path);

// The bytes of an open file, at most `most` of them. Throws MachineError.
std::string read_all(const Descriptor& file, const std::filesystem::path& path, std::size_t most);

// SHA-256 of files, several at a time, each with 1 MiB of memory. `check` and `on_progress` are called in the calling
// thread, `check` with each file and its hex digest; what they throw stops the rest.
// Throws BundleError: a file does not have the expected size. Throws MachineError: it cannot be read.
void hash_files(const std::filesystem::path& root, std::span<const SizedFile> files,
                const std::function<void(const SizedFile& file, const std::string& sha256)>& check,
                const OnProgress& on_progress = {});

// The error for a file that is too short or too long.
BundleError wrong_size(const std::filesystem::path& path, std::uint64_t received, std::uint64_t expected);

}  // namespace latentlink
