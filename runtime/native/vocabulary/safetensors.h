// Files of tensors: a header in JSON, then bytes. https://github.com/huggingface/safetensors is the format's home.
//
// The checks are those of its own library, in the same order and words, so that both runtimes take the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vocabulary/array.h"
#include "vocabulary/errors.h"
#include "vocabulary/files.h"

namespace latentlink {

// Largest header that the format allows, in bytes.
inline constexpr std::uint64_t MAX_SAFETENSORS_HEADER = 100'000'000;

// A file is not in this format; its message continues a sentence: `invalid offset for tensor "a"`, and ends with no
// full stop. Who reads the file says what was expected of it.
class SafetensorError final : public UsageError {
  public:
    using UsageError::UsageError;
};

// Where a tensor lies.
struct TensorInfo {
    std::string type;  // as the file has it: `F32`, `BF16`, `F8_E4M3`
    Shape shape;
    std::uint64_t begin = 0, end = 0;  // in the bytes after the header

    // numpy's name of the type, `float64`; empty if numpy has none.
    std::string numpy_name() const;

    // The type as arrays have it; none if they do not.
    std::optional<DType> dtype() const;

    bool operator==(const TensorInfo&) const = default;
};

// An open file whose header was checked: the tensors lie one after the other and fill it.
class SafetensorsFile {
  public:
    // Throws SafetensorError: it is not in this format, or its header has more than `most_header` bytes;
    // MachineError: it cannot be read.
    explicit SafetensorsFile(const std::filesystem::path& path, std::uint64_t most_header = MAX_SAFETENSORS_HEADER);

    // By name, in the order of names.
    const std::map<std::string, TensorInfo, std::less<>>& tensors() const { return tensors_; }
    const std::map<std::string, std::string, std::less<>>& metadata() const { return metadata_; }

    // Read one tensor.
    // Throws SafetensorError: there is none of that name, arrays do not hold its type, or the file was cut since it was
    // opened; MachineError: it cannot be read; std::bad_alloc.
    Array tensor(std::string_view name) const;

  private:
    InputFile file_;
    std::uint64_t data_ = 0;  // where the bytes begin
    std::map<std::string, TensorInfo, std::less<>> tensors_;
    std::map<std::string, std::string, std::less<>> metadata_;
};

// A file's bytes as the format's own library writes them: large elements first, then by name. Metadata is in the order
// of its keys, where the library's order changes from call to call.
std::string safetensors_bytes(const std::map<std::string, Array, std::less<>>& tensors,
                              const std::map<std::string, std::string, std::less<>>& metadata = {});

}  // namespace latentlink
