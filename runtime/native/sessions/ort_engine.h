// An ONNX Runtime engine, open on its provider: its ports, and the meaning of its errors.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <exception>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sessions/session.h"

namespace latentlink {

// How an engine runs on a GPU.
struct OrtOnGpu {
    void* stream = nullptr;  // the CUDA stream to run on; null on the CPU
    bool graphs = false;     // whether to capture runs as CUDA graphs, if the provider can capture this engine
};

// An engine as ONNX Runtime knows it. Threads may share it.
class OrtEngine {
  public:
    // Throws PreflightError: the provider, one of its libraries, or the GPU is missing; BundleError: it is no engine,
    // or a tensor is not what its name says; std::bad_alloc: there is not enough memory for it.
    OrtEngine(const std::filesystem::path& path, std::string_view target, const SessionOptions& options,
              const OrtOnGpu& gpu = {});

    // Read back from the engine.
    const std::vector<Port>& inputs() const { return inputs_; }
    const std::vector<Port>& outputs() const { return outputs_; }
    const std::string& title() const { return title_; }

    // Number of nodes by provider; empty where ONNX Runtime or its headers are older than 1.24, which do not tell.
    const std::map<std::string, int>& placement() const { return placement_; }

    // Whether runs can be captured as CUDA graphs.
    bool graphs() const { return graphs_; }

    Ort::Session& session() { return session_; }

    // Throw what stands for an error of ONNX Runtime, which it gives in these words.
    // Throws std::bad_alloc: memory is exhausted; else BundleError.
    [[noreturn]] void fail(const std::string& words, std::string_view how = "failed") const;

  private:
    void open(const std::filesystem::path& path, std::string_view target, const SessionOptions& options,
              const OrtOnGpu& gpu);

    Ort::Env environment_;  // all of them are one in ONNX Runtime, which counts them
    std::string title_;
    Ort::Session session_{nullptr};
    bool graphs_ = false;
    std::vector<Port> inputs_, outputs_;
    std::map<std::string, int> placement_;
};

// ONNX Runtime's type of a tensor's elements, and the type of its tensor; those that ports have.
ONNXTensorElementDataType ort_type(DType dtype);
DType dtype_of_tensor(ONNXTensorElementDataType type);

}  // namespace latentlink
