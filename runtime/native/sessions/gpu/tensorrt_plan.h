// An open TensorRT plan: its ports and sizes, and contexts to run it with.
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "sessions/gpu/cuda.h"
#include "sessions/gpu/tensorrt_library.h"
#include "vocabulary/errors.h"
#include "vocabulary/ports.h"

namespace latentlink::LATENTLINK_TRT {

// Smallest and largest shape of a tensor.
struct Sizes {
    Shape low, high;
};

// An engine as TensorRT knows it.
class TensorrtPlan {
  public:
    // Throws PreflightError: it is for another GPU, driver or version, or the library is missing; BundleError: it is
    // damaged, or a tensor is not what its name says; std::bad_alloc: the GPU does not have enough memory for it.
    TensorrtPlan(const std::filesystem::path& path, Cuda& cuda);

    const std::string& title() const { return title_; }

    // Read back from the engine; dimensions of one size are numbers.
    const std::vector<Port>& inputs() const { return inputs_; }
    const std::vector<Port>& outputs() const { return outputs_; }
    const Sizes& sizes(const std::string& tensor) const { return sizes_.at(tensor); }

    // Whether weights are streamed to the GPU when needed; its contexts then have memory of their own.
    bool streams() const { return streams_; }

    // A new execution context, without memory of its own unless the engine streams weights; it must not outlive the
    // plan. Throws BundleError, std::bad_alloc: TensorRT cannot make one.
    std::unique_ptr<nvinfer1::IExecutionContext> context();

    // Throw the error that says why TensorRT failed, in its own words.
    // Throws std::bad_alloc, BundleError.
    [[noreturn]] void fail(const std::string& how = "failed");

    // Forget what TensorRT logged of a failure that has no consequence, so that the next one is not told with it.
    void forget_failures() { log_.summary(); }

  private:
    std::string reason();
    PreflightError invalid(const std::string& library, const std::string& reason) const;
    void open(const std::filesystem::path& path);
    void check_header(std::span<const std::byte> plan, const std::string& library);
    nvinfer1::ExecutionContextAllocationStrategy strategy() const;
    void configure(Cuda& cuda);
    bool reads(const std::string& tensor) const;
    Sizes range(const std::string& tensor) const;
    Port port_of(const std::string& tensor, const std::filesystem::path& path) const;

    std::string title_;
    NvInfer library_;
    ErrorLog log_;
    std::unique_ptr<nvinfer1::IRuntime> runtime_;
    std::unique_ptr<nvinfer1::ICudaEngine> engine_;
#if LATENTLINK_TRT_FOR_RTX
    std::unique_ptr<nvinfer1::IRuntimeConfig> config_;  // of contexts
#endif
    bool streams_ = false;
    std::map<std::string, Sizes> sizes_;
    std::vector<Port> inputs_, outputs_;
};

}  // namespace latentlink::LATENTLINK_TRT
