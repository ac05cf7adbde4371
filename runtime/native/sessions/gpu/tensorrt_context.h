// A TensorRT engine at one set of shapes: its execution context, and the CUDA graph that replays it.
//
// TensorRT keeps the state of a set of shapes in the context, so that a graph stays valid only as long as its context
// keeps its shapes: each set has a context of its own, and all contexts share one memory for activations in turn.
#pragma once

#include "sessions/gpu/cuda_session.h"
#include "sessions/gpu/tensorrt_plan.h"

namespace latentlink::LATENTLINK_TRT {

// One set of input shapes of an engine. Who calls it holds the GPU.
class ShapedContext {
  public:
    // `inputs` has a buffer of these shapes for every input; `graphs` says whether to capture the second run and replay
    // it from then on.
    // Throws BundleError: TensorRT refuses the shapes, or does not know the output shapes before it runs.
    ShapedContext(Cuda& cuda, TensorrtPlan& plan, const DeviceBuffers& inputs, const DTypes& outputs, bool graphs);
    ~ShapedContext() { forget(); }
    ShapedContext(const ShapedContext&) = delete;
    ShapedContext& operator=(const ShapedContext&) = delete;

    // Shape and dtype of every output.
    const WrittenByName& outputs() const { return outputs_; }

    // Enqueue one run, with a buffer of this set's shapes for every input and output.
    // Throws BundleError, std::bad_alloc: it failed.
    void run(const DeviceBuffers& inputs, const DeviceBuffers& outputs);

  private:
    void place();
    void bind(const DeviceBuffers& buffers);
    void enqueue(const DeviceBuffers& inputs, const DeviceBuffers& outputs);
    bool try_capture(const DeviceBuffers& inputs);
    bool capture(const DeviceBuffers& inputs);
    bool execute() { return context_->enqueueV3(cuda_.stream()); }

    // Release the graph, as what it was captured with has changed.
    void forget() noexcept;

    Cuda& cuda_;
    TensorrtPlan& plan_;
    std::unique_ptr<nvinfer1::IExecutionContext> context_;
    bool graphs_;
    WrittenByName outputs_;
    std::size_t needed_ = 0;  // bytes for activations
    CudaPointer memory_ = 0;  // where they are
    int runs_ = 0;
    CudaGraphExec graph_ = nullptr;
    DeviceBuffers own_inputs_, own_outputs_;  // of the graph
};

}  // namespace latentlink::LATENTLINK_TRT
