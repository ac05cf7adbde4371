// ONNX Runtime sessions on the CPU: IO binding on buffers in host memory.
#pragma once

#include <filesystem>
#include <string_view>

#include "sessions/session.h"

namespace latentlink {

// Open an engine file; see `open_session`.
SessionPtr open_ort(const std::filesystem::path& path, std::string_view target, const SessionOptions& options);

}  // namespace latentlink
