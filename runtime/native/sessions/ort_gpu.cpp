#include "sessions/ort_gpu.h"

#include "sessions/gpu/cuda_session.h"
#include "sessions/gpu/ort_shapes.h"
#include "sessions/ort_engine.h"

namespace latentlink {

namespace {

// Number of sets of shapes to capture, the first ones: ONNX Runtime keeps a graph as long as its session.
constexpr std::size_t GRAPHS = 4;

// An ONNX Runtime engine with its state in device memory. ONNX Runtime waits for the GPU before every run, so that runs
// are enqueued one at a time. It captures a graph for each thread that runs the engine.
class OrtGpuSession final : public CudaSession {
  public:
    OrtGpuSession(Cuda& gpu, std::unique_ptr<OrtEngine> engine)
        : CudaSession(gpu, engine->title(), engine->inputs(), engine->outputs()), engine_(std::move(engine)),
          placement_(engine_->placement()) {}

    ~OrtGpuSession() override {
        close_quietly();
        if (forked()) {
            keep_for_ever(std::move(sets_));
            keep_for_ever(std::move(engine_));
        }
    }

    // Number of nodes by provider.
    std::map<std::string, int> placement() const override { return placement_; }

  protected:
    DeviceBuffers enqueue(const DeviceBuffers& feeds, const Buffers& outputs) override;

    void give_back() override {
        for (auto& [shapes, runs] : sets_) runs->unbind();
        engine_ = nullptr;  // its graphs are released before the buffers that they were captured with
        sets_.clear();
    }

  private:
    // The runs for a set of shapes.
    ShapedRuns& runs_of(const DeviceBuffers& feeds);

    std::unique_ptr<OrtEngine> engine_;
    std::map<std::string, int> placement_;
    std::map<std::vector<Shape>, std::unique_ptr<ShapedRuns>> sets_;
};

DeviceBuffers OrtGpuSession::enqueue(const DeviceBuffers& feeds, const Buffers& outputs) {
    ShapedRuns& runs = runs_of(feeds);
    DeviceBuffers written = complete(outputs, runs.outputs());
    const Timing counted(*this);
    runs.run(feeds, written);
    return written;
}

ShapedRuns& OrtGpuSession::runs_of(const DeviceBuffers& feeds) {
    std::vector<Shape> key;
    for (const auto& [name, buffer] : feeds) key.push_back(buffer->shape());
    const auto found = sets_.find(key);
    if (found != sets_.end()) return *found->second;
    const bool capture = engine_->graphs() && sets_.size() < GRAPHS;
    const auto graph = capture ? std::optional(static_cast<int>(sets_.size())) : std::nullopt;
    auto made = std::make_unique<ShapedRuns>(cuda, *engine_, feeds, writes(), graph);
    return *sets_.emplace(std::move(key), std::move(made)).first->second;
}

}  // namespace

SessionPtr open_ort_gpu(const std::filesystem::path& path, std::string_view target, const SessionOptions& options) {
    Cuda& gpu = this_gpu();
    const OrtOnGpu on_gpu = {.stream = gpu.stream(), .graphs = !options.low_memory};
    const Cuda::Opening held(gpu);
    return std::make_shared<OrtGpuSession>(gpu, std::make_unique<OrtEngine>(path, target, options, on_gpu));
}

}  // namespace latentlink
