#include "sessions/ort.h"

#include <algorithm>

#include "sessions/calls.h"
#include "sessions/clock.h"
#include "sessions/host_session.h"
#include "sessions/ort_engine.h"
#include "sessions/ort_gpu.h"
#include "targets/nvinfer.h"
#include "targets/ort_providers.h"
#include "targets/table.h"

namespace latentlink {

namespace {

// An ONNX Runtime engine with its state in host memory.
class OrtSession final : public HostSession {
  public:
    OrtSession(std::shared_ptr<OrtEngine> engine, bool low_memory)
        : HostSession(engine->title(), Turns::at_once), engine_(std::move(engine)), inputs_(engine_->inputs()),
          outputs_(engine_->outputs()), placement_(engine_->placement()), low_memory_(low_memory) {}

    ~OrtSession() override {
        close_quietly();
        if (forked()) keep_for_ever(std::move(engine_));
    }

    const std::vector<Port>& inputs() const override { return inputs_; }
    const std::vector<Port>& outputs() const override { return outputs_; }
    std::map<std::string, int> placement() const override { return placement_; }

  protected:
    Buffers run_open(const Buffers& inputs, const Buffers& outputs) override;
    void release() override { engine_ = nullptr; }  // the last run that has begun destroys it

  private:
    std::shared_ptr<OrtEngine> engine();
    Ort::RunOptions run_options() const;

    std::shared_ptr<OrtEngine> engine_;
    std::vector<Port> inputs_, outputs_;
    std::map<std::string, int> placement_;
    bool low_memory_;
    Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeCPU);
};

// A buffer's memory as a tensor of ONNX Runtime.
Ort::Value value_over(HostBuffer& buffer, const OrtMemoryInfo* memory) {
    const Shape& shape = buffer.shape();
    const std::size_t bytes = count_of(shape) * size_of(buffer.dtype());
    return Ort::Value::CreateTensor(memory, buffer.data(), bytes, shape.data(), shape.size(), ort_type(buffer.dtype()));
}

// A tensor that ONNX Runtime made, as a buffer that keeps it.
BufferPtr buffer_over(Ort::Value made) {
    struct Owner {
        Ort::Env environment;  // of the tensor's allocator, which the tensor keeps
        Ort::Value value;
    };
    const auto owner = std::make_shared<Owner>(Owner{ort_environment(), std::move(made)});
    const auto info = owner->value.GetTensorTypeAndShapeInfo();
    void* data = owner->value.GetTensorMutableRawData();
    const DType dtype = dtype_of_tensor(info.GetElementType());
    return std::make_shared<HostBuffer>(Array::over(owner, data, dtype, info.GetShape()));
}

std::shared_ptr<OrtEngine> OrtSession::engine() {
    const std::lock_guard held(turn);
    if (engine_ == nullptr) check_open();  // closed meanwhile
    return engine_;
}

// Options of one run: threads may run at once, and each may be interrupted. The memory of a run is released, as the
// next engine would otherwise need as much again. Where a budget is measured, memory that was taken before must not be
// released.
Ort::RunOptions OrtSession::run_options() const {
    Ort::RunOptions options;
    if (!low_memory_) options.AddConfigEntry("memory.enable_memory_arena_shrinkage", "cpu:0");
    return options;
}

Buffers OrtSession::run_open(const Buffers& inputs, const Buffers& outputs) {
    const std::shared_ptr<OrtEngine> engine = this->engine();
    std::string doing = "Error when binding input: ";  // as the module for Python says
    std::vector<Ort::Value> made;
    try {
        Ort::IoBinding binding(engine->session());
        for (const auto& [name, buffer] : inputs) binding.BindInput(name.c_str(), value_over(host(buffer), memory_));
        doing = "Error when binding output: ";
        for (const auto& [name, buffer] : outputs) {
            if (buffer == nullptr) {
                binding.BindOutput(name.c_str(), memory_);
            } else {
                binding.BindOutput(name.c_str(), value_over(host(buffer), memory_));
            }
        }
        doing = "Error in execution: ";
        Ort::RunOptions options = run_options();
        {
            const Running counted;
            const Call::Interruptible until(current_call(), [&options] { options.SetTerminate(); });
            engine->session().Run(options, binding);
        }
        made = binding.GetOutputValues();
    } catch (const Ort::Exception& error) {
        if (const Call* call = current_call()) call->check();
        engine->fail(doing + error.what());
    }
    Buffers written = outputs;
    auto value = made.begin();
    for (auto& [name, buffer] : written) {
        if (buffer == nullptr) buffer = buffer_over(std::move(*value));
        ++value;
    }
    return written;
}

}  // namespace

SessionPtr open_ort(const std::filesystem::path& path, std::string_view target, const SessionOptions& options) {
    if (target_named(target)->gpu) return open_ort_gpu(path, target, options);
    return std::make_shared<OrtSession>(std::make_shared<OrtEngine>(path, target, options), options.low_memory);
}

void add_ort_versions(LibraryVersions& versions) {
    if (OrtGetApiBase()->GetApi(ORT_API_VERSION) == nullptr) return;  // older than the headers
    const std::string version = Ort::GetVersionString();
    versions["onnxruntime"] = version;
    const auto providers = Ort::GetAvailableProviders();
    const auto has = [&](const char* name) { return std::ranges::find(providers, name) != providers.end(); };
    if (has("CUDAExecutionProvider")) versions["onnxruntime-gpu"] = version;
    if (!has("TensorrtExecutionProvider")) return;
    const std::string library = "libnvinfer.so.10";  // that the provider is linked with
    const NvInfer tensorrt(library);
    if (tensorrt.error().empty()) versions.emplace(library, tensorrt.version());
}

}  // namespace latentlink
