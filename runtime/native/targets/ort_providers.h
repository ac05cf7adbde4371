// The table of ONNX Runtime's providers by target. A missing provider is an error, never replaced by another one.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace latentlink {

// What a session on a GPU adds to its provider's options.
struct OrtPlacement {
    void* stream = nullptr;  // the CUDA stream to run on
    bool graphs = false;     // whether to capture runs as CUDA graphs
};

// The process's environment of ONNX Runtime, which it makes at the first call and counts.
Ort::Env ort_environment();

// Open a graph on a target's provider; nodes that it does not take run on the CPU.
// Throws PreflightError: the provider, one of its libraries, or the GPU is missing; Ort::Exception: ONNX Runtime cannot
// open the graph.
Ort::Session open_inference(Ort::Env& environment, const std::filesystem::path& path, Ort::SessionOptions options,
                            std::string_view target, const OrtPlacement& placement);

// Whether a target's provider captures runs as CUDA graphs.
bool captures(std::string_view target);

// An error that ONNX Runtime returned, in the words of its module for Python.
std::string ort_words(const Ort::Exception& error);

}  // namespace latentlink
