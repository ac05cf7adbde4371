// ONNX Runtime sessions on a GPU: the providers run on the stream of `Cuda`, with our own buffers.
#pragma once

#include "sessions/backends.h"

namespace latentlink {

// Open an engine file; see `open_session`. With `low_memory` sizes vary, so that graphs are not worth their memory.
SessionPtr open_ort_gpu(const std::filesystem::path& path, std::string_view target, const SessionOptions& options);

}  // namespace latentlink
