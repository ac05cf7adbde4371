// Files: reading with a limit; and writing so that a file appears under its name only when it is complete.
//
// New content is written to a hidden sibling on the same file system, and takes the name in one step. A process that is
// killed leaves the old content under the name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "vocabulary/errors.h"

namespace latentlink {

// What the system says of a failure, as the command line ends with it: `Permission denied: out.png.`
// `code` is an `errno`.
MachineError system_error(int code, const std::filesystem::path& path = {});

// An open file, which is closed with the object.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor();

    int number() const { return number_; }

    // Close it now; closing twice is harmless. Throws MachineError: what was written is lost.
    void close(const std::filesystem::path& path);

  private:
    int number_ = -1;
};

// A regular file, open for reading at any place. A folder, device, pipe or socket is never waited for.
class InputFile {
  public:
    // Throws MachineError: it is no regular file, or cannot be opened.
    explicit InputFile(std::filesystem::path path);

    const std::filesystem::path& path() const { return path_; }

    // Bytes when it was opened.
    std::uint64_t size() const { return size_; }

    // Fill `into` with the bytes from `offset`; returns how many there were, fewer only at the file's end.
    // Throws MachineError: it cannot be read.
    std::size_t read(std::uint64_t offset, std::span<std::byte> into) const;

  private:
    std::filesystem::path path_;
    Descriptor descriptor_;
    std::uint64_t size_ = 0;
};

// Bytes of a regular file; none if it has more than `most`.
// Throws MachineError: it cannot be read.
std::optional<std::string> read_file(const std::filesystem::path& path, std::uint64_t most);

// Write a file of any size to a path at which nothing exists yet.
// Throws MachineError: the disk is full, a permission is missing, ...
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
inline void write_file(const std::filesystem::path& path, std::string_view text) {
    write_file(path, std::as_bytes(std::span(text)));
}

// Call `write` with a path, with the suffix of `path`, at which nothing exists yet; what it writes there becomes `path`
// when it returns, and is removed if it throws.
//
// Parents of `path` are made. A symbolic link at `path` is followed. An existing file's mode and owner are kept. What
// is no file (`is_stream`) is not replaced: the finished bytes are written to it. `beside` is a path on the same file
// system, next to which the unfinished file is written.
//
// Throws UsageError: `path` is a folder, its parent a file, or a pipe that nobody reads; MachineError: as for any file;
// `path` is unchanged, and nothing else is left behind.
void atomic_file(const std::filesystem::path& path, const std::function<void(const std::filesystem::path&)>& write,
                 const std::optional<std::filesystem::path>& beside = {});

// Whether a path is a device, pipe or socket, or what standard output goes to, such as `/dev/stdout`.
bool is_stream(const std::filesystem::path& path);

}  // namespace latentlink
