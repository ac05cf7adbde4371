#include "sessions/gpu/tensorrt_context.h"

#include <algorithm>
#include <new>
#include <utility>

#include "sessions/readback.h"
#include "vocabulary/texts.h"

namespace latentlink::LATENTLINK_TRT {

namespace {

nvinfer1::Dims dims_of(const Shape& shape) {
    nvinfer1::Dims dims{};
    dims.nbDims = static_cast<std::int32_t>(shape.size());  // the plan has no more sizes than fit
    std::ranges::copy(shape, dims.d);
    return dims;
}

}  // namespace

ShapedContext::ShapedContext(Cuda& cuda, TensorrtPlan& plan, const DeviceBuffers& inputs, const DTypes& outputs,
                             bool graphs)
    : cuda_(cuda), plan_(plan), context_(plan.context()), graphs_(graphs) {
    for (const auto& [name, buffer] : inputs) {
        if (!context_->setInputShape(name.c_str(), dims_of(buffer->shape()))) plan_.fail();
    }
    const char* unknown = nullptr;
    if (context_->inferShapes(1, &unknown) != 0) plan_.fail();
    for (const auto& [name, dtype] : outputs) {
        const nvinfer1::Dims dims = context_->getTensorShape(name.c_str());
        Shape shape(dims.d, dims.d + std::max(dims.nbDims, 0));
        if (dims.nbDims < 0 || std::ranges::any_of(shape, [](auto size) { return size < 0; })) {
            throw BundleError(
                "The engine does not know the size of " + repr(name) + " before it runs: " + shown_shape(shape) + ".",
                "It is a fault of the export: report it.");
        }
        outputs_[name] = {std::move(shape), dtype};
    }
    if (!plan_.streams()) needed_ = context_->updateDeviceMemorySizeForShapes();
}

void ShapedContext::run(const DeviceBuffers& inputs, const DeviceBuffers& outputs) {
    if (!plan_.streams()) place();
    if (graph_ == nullptr && (!graphs_ || runs_ == 0)) {
        enqueue(inputs, outputs);
        return;
    }
    if (graph_ == nullptr && !try_capture(inputs)) {
        graphs_ = false;
        enqueue(inputs, outputs);
        return;
    }
    for (const auto& [name, buffer] : inputs) own_inputs_.at(name)->follow(*buffer);
    cuda_.launch(graph_);
    for (const auto& [name, buffer] : outputs) buffer->copy_from(*own_outputs_.at(name));
}

void ShapedContext::enqueue(const DeviceBuffers& inputs, const DeviceBuffers& outputs) {
    bind(inputs);
    bind(outputs);
    if (!execute()) plan_.fail();
    ++runs_;
}

// Give the context the memory for its activations, if it has none or the memory has moved.
void ShapedContext::place() {
    const auto [pointer, size] = cuda_.activations(needed_);
    if (pointer == memory_) return;
    forget();
    context_->setDeviceMemoryV2(reinterpret_cast<void*>(pointer), static_cast<std::int64_t>(size));
    memory_ = pointer;
}

void ShapedContext::bind(const DeviceBuffers& buffers) {
    for (const auto& [name, buffer] : buffers) {
        if (!context_->setTensorAddress(name.c_str(), reinterpret_cast<void*>(buffer->pointer()))) plan_.fail();
    }
}

// Capture a run if that is possible; plain runs need less memory.
bool ShapedContext::try_capture(const DeviceBuffers& inputs) {
    bool well = false;
    try {
        well = capture(inputs);
    } catch (const std::bad_alloc&) {
    }
    if (!well) {
        forget();
        plan_.forget_failures();
    }
    return well;
}

// Capture a run on buffers that stay; false if the engine cannot be captured.
bool ShapedContext::capture(const DeviceBuffers& inputs) {
#if LATENTLINK_TRT_FOR_RTX
    if (!context_->isStreamCapturable(cuda_.stream())) return false;
#endif
    for (const auto& [name, buffer] : inputs) {
        own_inputs_[name] = std::make_shared<DeviceBuffer>(cuda_, buffer->shape(), buffer->dtype());
    }
    for (const auto& [name, made] : outputs_) {
        own_outputs_[name] = std::make_shared<DeviceBuffer>(cuda_, made.shape, made.dtype);
    }
    bind(own_inputs_);
    bind(own_outputs_);
    graph_ = cuda_.capture([this] { return execute(); });
    return graph_ != nullptr;
}

void ShapedContext::forget() noexcept {
    if (CudaGraphExec old = std::exchange(graph_, nullptr)) {
        try {
            cuda_.destroy(old);
        } catch (...) {  // after a GPU failure every call fails; the failure was reported when it occurred
        }
    }
    own_inputs_.clear();
    own_outputs_.clear();
    runs_ = 0;
}

}  // namespace latentlink::LATENTLINK_TRT
