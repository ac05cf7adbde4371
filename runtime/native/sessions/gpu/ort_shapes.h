// An ONNX Runtime engine on a GPU at one set of shapes: the sizes of its outputs, and the CUDA graph of its runs.
#pragma once

#include <optional>

#include "sessions/gpu/cuda_session.h"
#include "sessions/ort_engine.h"

namespace latentlink {

// Runs at one set of input shapes.
//
// A captured graph reads and writes the addresses that it was captured with, while a run changes its buffers from step
// to step: so the graph has buffers of its own, and inputs and outputs are copied inside the device.
class ShapedRuns {
  public:
    // `inputs` has a buffer of these shapes for every input, for a first run: ONNX Runtime knows output shapes only
    // after one. `graph` is the number of the graph to capture runs as; none to capture none.
    // Throws BundleError, std::bad_alloc: the first run failed.
    ShapedRuns(Cuda& cuda, OrtEngine& engine, const DeviceBuffers& inputs, const DTypes& outputs,
               std::optional<int> graph);

    // Shape and dtype of every output.
    const WrittenByName& outputs() const { return outputs_; }

    // Run once, with a buffer of this set's shapes for every input and output.
    // Throws BundleError, std::bad_alloc: it failed.
    void run(const DeviceBuffers& inputs, const DeviceBuffers& outputs);

    // Release what belongs to the engine, which is about to be closed.
    void unbind() { binding_.reset(); }

  private:
    Ort::IoBinding bind(const DeviceBuffers& inputs, const DeviceBuffers& outputs);
    void call(Ort::IoBinding& binding, int graph);

    Cuda& cuda_;
    OrtEngine& engine_;
    std::optional<int> graph_;
    WrittenByName outputs_;
    DeviceBuffers own_inputs_, own_outputs_;  // of the graph
    std::optional<Ort::IoBinding> binding_;   // of the graph, once it was captured
    Ort::MemoryInfo memory_{"Cuda", OrtDeviceAllocator, 0, OrtMemTypeDefault};
};

}  // namespace latentlink
