#include "sessions/gpu/ort_shapes.h"

namespace latentlink {

namespace {

// Graph number with which ONNX Runtime neither captures nor replays a run.
constexpr int NO_GRAPH = -1;

Ort::Value value_over(const DeviceBuffer& buffer, const OrtMemoryInfo* memory) {
    const Shape& shape = buffer.shape();
    return Ort::Value::CreateTensor(memory, reinterpret_cast<void*>(buffer.pointer()), buffer.size(), shape.data(),
                                    shape.size(), ort_type(buffer.dtype()));
}

}  // namespace

ShapedRuns::ShapedRuns(Cuda& cuda, OrtEngine& engine, const DeviceBuffers& inputs, const DTypes& outputs,
                       std::optional<int> graph)
    : cuda_(cuda), engine_(engine), graph_(graph) {
    try {
        Ort::IoBinding binding = bind(inputs, {});
        for (const auto& [name, dtype] : outputs) binding.BindOutput(name.c_str(), memory_);
        call(binding, NO_GRAPH);
        const std::vector<Ort::Value> values = binding.GetOutputValues();
        auto value = values.begin();
        for (const auto& [name, dtype] : outputs) {
            outputs_[name] = {(value++)->GetTensorTypeAndShapeInfo().GetShape(), dtype};
        }
    } catch (const Ort::Exception& error) {
        engine_.fail(error.what());
    }
}

void ShapedRuns::run(const DeviceBuffers& inputs, const DeviceBuffers& outputs) {
    try {
        if (!graph_) {
            Ort::IoBinding binding = bind(inputs, outputs);
            call(binding, NO_GRAPH);
            return;
        }
        if (own_outputs_.empty()) {
            for (const auto& [name, buffer] : inputs) {
                own_inputs_[name] = std::make_shared<DeviceBuffer>(cuda_, buffer->shape(), buffer->dtype());
            }
            for (const auto& [name, made] : outputs_) {
                own_outputs_[name] = std::make_shared<DeviceBuffer>(cuda_, made.shape, made.dtype);
            }
        }
        for (const auto& [name, buffer] : inputs) own_inputs_.at(name)->follow(*buffer);
        if (binding_) {
            call(*binding_, *graph_);
        } else {
            Ort::IoBinding binding = bind(own_inputs_, own_outputs_);
            call(binding, *graph_);  // runs the engine, captures the run and replays it
            binding_ = std::move(binding);
        }
        for (const auto& [name, buffer] : outputs) buffer->copy_from(*own_outputs_.at(name));
    } catch (const Ort::Exception& error) {
        engine_.fail(error.what());
    }
}

Ort::IoBinding ShapedRuns::bind(const DeviceBuffers& inputs, const DeviceBuffers& outputs) {
    Ort::IoBinding binding(engine_.session());
    for (const auto& [name, buffer] : inputs) binding.BindInput(name.c_str(), value_over(*buffer, memory_));
    for (const auto& [name, buffer] : outputs) binding.BindOutput(name.c_str(), value_over(*buffer, memory_));
    return binding;
}

void ShapedRuns::call(Ort::IoBinding& binding, int graph) {
    Ort::RunOptions options;
    options.AddConfigEntry("gpu_graph_id", std::to_string(graph).c_str());
    // later work is on the same stream
    options.AddConfigEntry("disable_synchronize_execution_providers", "1");
    engine_.session().Run(options, binding);
}

}  // namespace latentlink
