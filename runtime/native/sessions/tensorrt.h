// TensorRT sessions: everything stays on the GPU, and a run is only enqueued.
//
// TensorRT for RTX (tensorrt_rtx.h) has the same API, and the same names for it: one source is compiled with the
// headers of each, in a namespace of its own. The libraries are loaded when the first engine is opened.
#pragma once

#include "sessions/backends.h"

namespace latentlink {

// Open a plan; see `open_session`. `threads` has no effect on a GPU; with `low_memory` sizes vary, so that graphs are
// not worth their memory.
SessionPtr open_tensorrt(const std::filesystem::path& path, std::string_view target, const SessionOptions& options);

void add_tensorrt_versions(LibraryVersions& versions);

}  // namespace latentlink
