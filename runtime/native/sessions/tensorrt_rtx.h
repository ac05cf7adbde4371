// TensorRT for RTX sessions; see tensorrt.h.
#pragma once

#include "sessions/backends.h"

namespace latentlink {

// Open a plan; see `open_session`.
SessionPtr open_tensorrt_rtx(const std::filesystem::path& path, std::string_view target, const SessionOptions& options);

void add_tensorrt_rtx_versions(LibraryVersions& versions);

}  // namespace latentlink
