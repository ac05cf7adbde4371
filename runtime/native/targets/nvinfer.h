// Libraries of TensorRT, which have the same functions by the same names.
#pragma once

#include <string>

namespace latentlink {

// A loaded library of TensorRT, or of TensorRT for RTX; it stays loaded.
class NvInfer {
  public:
    // Load `libnvinfer.so.10`, `libtensorrt_rtx.so.1`. Nothing is thrown if it cannot be: see `error`.
    explicit NvInfer(const std::string& file);

    // Why it cannot be used; empty if it can.
    const std::string& error() const { return error_; }

    // As its package for Python has it: `10.9.0.34`.
    const std::string& version() const { return version_; }

    // Its function that makes a runtime for a logger and a version of the headers.
    using CreateRuntime = void* (*)(void* logger, int version);
    CreateRuntime create_runtime() const { return create_runtime_; }

  private:
    std::string error_, version_;
    CreateRuntime create_runtime_ = nullptr;
};

}  // namespace latentlink
