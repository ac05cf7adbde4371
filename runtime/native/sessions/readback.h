// Ports read back from an engine's own tensors: the name gives the port, and the type has to agree with it.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vocabulary/ports.h"

namespace latentlink {

// The port of one tensor of an open engine: its name, its shape with free dimensions by any name, its type (none if no
// port has such a type), and the type as the engine names it. `path` is the engine's file, for messages.
// Throws BundleError: the name carries no symbol, or the type is not the one in the name.
Port read_port(const std::filesystem::path& path, std::string_view name, std::vector<Dim> shape,
               std::optional<DType> dtype, std::string_view described);

// An engine's title in messages: the end of its path in the bundle, `denoiser/ort-cpu/model.onnx`.
std::string engine_title(const std::filesystem::path& path);

// A shape for messages, as Python writes a list: `[1, 4, 8, 8]`.
std::string shown_shape(std::span<const std::int64_t> shape);

// The words of a library's message on one line, with single spaces.
std::string one_line(std::string_view text);

}  // namespace latentlink
