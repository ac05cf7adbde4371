#include "sessions/tensorrt.h"

#include <algorithm>

#include "sessions/gpu/tensorrt_context.h"
#include "sessions/readback.h"
#include "sessions/tensorrt_rtx.h"
#include "targets/table.h"

namespace latentlink {

namespace LATENTLINK_TRT {

namespace {

// Number of sets of shapes that an engine keeps contexts and graphs for; the least recently used is dropped.
constexpr std::size_t SETS = 4;

// A TensorRT engine with its state in device memory.
class TensorrtSession final : public CudaSession {
  public:
    TensorrtSession(Cuda& gpu, std::unique_ptr<TensorrtPlan> plan, bool graphs)
        : CudaSession(gpu, plan->title(), plan->inputs(), plan->outputs()), plan_(std::move(plan)),
          // streamed weights are copied during a run; a context with memory of its own has it for the largest sizes
          graphs_(graphs && !plan_->streams()), sets_(plan_->streams() ? 1 : SETS) {}

    ~TensorrtSession() override {
        close_quietly();
        if (forked()) {
            keep_for_ever(std::move(contexts_));
            keep_for_ever(std::move(plan_));
        }
    }

    // Empty: the whole engine runs on the GPU.
    std::map<std::string, int> placement() const override { return {}; }

  protected:
    DeviceBuffers enqueue(const DeviceBuffers& feeds, const Buffers& outputs) override;

    void give_back() override {
        contexts_.clear();
        plan_ = nullptr;
    }

  private:
    using Key = std::vector<Shape>;

    void check_shape(const std::string& name, const Shape& found) const;

    // The context of a set of shapes, made if there is none.
    ShapedContext& context_of(const DeviceBuffers& feeds);

    std::unique_ptr<TensorrtPlan> plan_;
    bool graphs_;
    std::size_t sets_;
    std::vector<std::pair<Key, std::unique_ptr<ShapedContext>>> contexts_;  // the most recently used is last
};

DeviceBuffers TensorrtSession::enqueue(const DeviceBuffers& feeds, const Buffers& outputs) {
    for (const auto& [name, buffer] : feeds) check_shape(name, buffer->shape());
    ShapedContext& context = context_of(feeds);
    DeviceBuffers written = complete(outputs, context.outputs());
    const Timing counted(*this);
    context.run(feeds, written);
    return written;
}

void TensorrtSession::check_shape(const std::string& name, const Shape& found) const {
    const auto& [low, high] = plan_->sizes(name);
    bool within = found.size() == low.size() && found.size() == high.size();
    for (std::size_t i = 0; within && i < found.size(); ++i) within = low[i] <= found[i] && found[i] <= high[i];
    if (within) return;
    const std::string fits = low == high ? shown_shape(low) : shown_shape(low) + " to " + shown_shape(high);
    throw UsageError("The engine " + title() + " was built for " + name + " of shape " + fits + ", but received " +
                         shown_shape(found) + ".",
                     "Use a size it was built for, or build the bundle for this one: latentlink build EXPORTED BUNDLE "
                     "--width --height --batch.");
}

ShapedContext& TensorrtSession::context_of(const DeviceBuffers& feeds) {
    Key key;
    for (const auto& [name, buffer] : feeds) key.push_back(buffer->shape());
    const auto found = std::ranges::find(contexts_, key, &decltype(contexts_)::value_type::first);
    if (found != contexts_.end()) {
        std::rotate(found, found + 1, contexts_.end());
    } else {
        while (contexts_.size() >= sets_) {
            cuda.synchronize();  // it may still run
            contexts_.erase(contexts_.begin());
        }
        auto made = std::make_unique<ShapedContext>(cuda, *plan_, feeds, writes(), graphs_);
        contexts_.emplace_back(std::move(key), std::move(made));
    }
    return *contexts_.back().second;
}

SessionPtr open(const std::filesystem::path& path, const SessionOptions& options) {
    Cuda& gpu = this_gpu();
    const Cuda::Opening held(gpu);
    return std::make_shared<TensorrtSession>(gpu, std::make_unique<TensorrtPlan>(path, gpu), !options.low_memory);
}

void add_versions(LibraryVersions& versions) {
    try {
        versions[std::string(target_named(TARGET)->packages.front().distributions.front())] = load_library().version();
    } catch (const PreflightError&) {  // told when an engine is opened
    }
}

}  // namespace

}  // namespace LATENTLINK_TRT

#if LATENTLINK_TRT_FOR_RTX
SessionPtr open_tensorrt_rtx(const std::filesystem::path& path, std::string_view, const SessionOptions& options) {
    return LATENTLINK_TRT::open(path, options);
}
void add_tensorrt_rtx_versions(LibraryVersions& versions) { LATENTLINK_TRT::add_versions(versions); }
#else
SessionPtr open_tensorrt(const std::filesystem::path& path, std::string_view, const SessionOptions& options) {
    return LATENTLINK_TRT::open(path, options);
}
void add_tensorrt_versions(LibraryVersions& versions) { LATENTLINK_TRT::add_versions(versions); }
#endif

}  // namespace latentlink
