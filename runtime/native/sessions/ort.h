// ONNX Runtime sessions: on the CPU, with IO binding on buffers in host memory; those on a GPU are in ort_gpu.h.
#pragma once

#include "sessions/backends.h"

namespace latentlink {

// Open an engine file of any of ONNX Runtime's targets; see `open_session`.
SessionPtr open_ort(const std::filesystem::path& path, std::string_view target, const SessionOptions& options);

void add_ort_versions(LibraryVersions& versions);

}  // namespace latentlink
