// SHA-256 of bytes and files, as 64 hex digits.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace latentlink {

// A digest over bytes that come in parts.
class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;

    void update(std::span<const std::byte> bytes);
    void update(std::string_view text) { update(std::as_bytes(std::span(text))); }

    // The digest of all that came; afterwards it begins anew.
    std::string hex();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

std::string sha256_of(std::span<const std::byte> bytes);
std::string sha256_of(std::string_view text);

// Of a file's content, read a piece at a time.
// Throws MachineError: it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace latentlink
