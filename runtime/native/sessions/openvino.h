// OpenVINO sessions on the CPU: runs read and write buffers in host memory, without copies.
#pragma once

#include "sessions/backends.h"

namespace latentlink {

// Open an engine's `model.xml`; see `open_session`.
SessionPtr open_openvino(const std::filesystem::path& path, std::string_view target, const SessionOptions& options);

void add_openvino_versions(LibraryVersions& versions);

}  // namespace latentlink
