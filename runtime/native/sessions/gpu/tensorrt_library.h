// The library of TensorRT or of TensorRT for RTX: which of them, CMake says by LATENTLINK_TRT, the namespace of what is
// compiled for it, and LATENTLINK_TRT_FOR_RTX.
#pragma once

#include <NvInferRuntime.h>

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "targets/nvinfer.h"
#include "vocabulary/errors.h"

#if !LATENTLINK_TRT_FOR_RTX && (NV_TENSORRT_MAJOR < 10 || (NV_TENSORRT_MAJOR == 10 && NV_TENSORRT_MINOR < 3))
#error "TensorRT 10.3 or later is needed"
#endif

namespace latentlink::LATENTLINK_TRT {

inline constexpr bool FOR_RTX = LATENTLINK_TRT_FOR_RTX;
inline constexpr std::string_view TARGET = FOR_RTX ? "tensorrt-rtx" : "tensorrt";

// The library of these headers.
// Throws PreflightError: it is not installed, or cannot be loaded.
NvInfer load_library();

// A logger that stores errors and prints nothing.
class ErrorLog final : public nvinfer1::ILogger {
  public:
    void log(Severity severity, nvinfer1::AsciiChar const* message) noexcept override;

    // The errors since the last call, to continue a sentence.
    std::string summary();

  private:
    std::mutex lock_;
    std::vector<std::string> errors_;
};

}  // namespace latentlink::LATENTLINK_TRT
