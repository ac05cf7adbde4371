// An open OpenVINO engine.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <openvino/openvino.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "targets/mapped_weights.h"
#include "vocabulary/array.h"

namespace latentlink {

// The names of an engine's input or output: its symbols if it has any, as OpenVINO also adds names of removed nodes.
std::vector<std::string> tensor_names(const ov::Output<ov::Node>& value);

// An engine compiled for the sizes of one run.
class CompiledModel {
  public:
    // Kernels of free sizes copy the weights at the first run.
    CompiledModel(ov::CompiledModel model, const MappedWeights& weights);

    // The shape to allocate an output tensor with; a free size is 0, and the run enlarges it.
    ov::Shape initial_shape(const std::string& output) const;

    // A setting that it was compiled with.
    ov::Any property(const std::string& name) const { return model_.get_property(name); }

    // Run on the request's tensors.
    void infer();

    ov::InferRequest request;

  private:
    ov::CompiledModel model_;
    const MappedWeights* weights_;  // null after the first run
};

// An open OpenVINO engine.
//
// With free sizes, and the number of rows is always free, it is compiled at a run, for the sizes of that run. Kernels
// of free sizes are less fused, and are generated at the first run of a size anyway: a true-size step takes a tenth
// longer with them in bfloat16 and a fifth longer in int8, and its first run takes as long as compiling and running.
//
// Its weights are mapped, and their pages are released as the kernels copy them into their own layouts. OpenVINO's own
// mapping would stay: a true-size denoiser would take 6.6 GiB instead of 3.4.
class OpenVinoEngine {
  public:
    // `threads` of a run; none for OpenVINO's choice: one of the two hardware threads of every core that this process
    // may use, as both would share the core's vector unit; and no more than `processors()`.
    //
    // With `low_memory` it is compiled once, when it is opened, for free sizes, so that no run needs memory for
    // compiling. An engine that chooses between two ways by its sizes is compiled for those of a run all the same:
    // compiled for free sizes, OpenVINO 2026.4 computes something else in the first run of a way.
    //
    // Throws MachineError: a file cannot be read; std::runtime_error, ov::Exception: it is no OpenVINO IR, on which
    // OpenVINO would try all its other readers; it has an operator that may repeat for ever; OpenVINO cannot read or
    // compile it.
    OpenVinoEngine(const std::filesystem::path& path, std::optional<int> threads, bool low_memory = false);

    std::vector<ov::Output<ov::Node>> inputs() const { return model_->inputs(); }
    std::vector<ov::Output<ov::Node>> outputs() const { return model_->outputs(); }

    // The engine compiled for the shapes of its inputs, which `shape_of` tells by tensor name; kept for the next time.
    // Throws ov::Exception: OpenVINO cannot compile it.
    CompiledModel& compile_for(const std::function<const Shape&(const std::string& tensor)>& shape_of);

    // Drop what was compiled for the sizes of a run.
    void trim();

    // Number of compiled models that are kept.
    std::size_t kept() const { return compiled_.size(); }

  private:
    using Key = std::vector<Shape>;

    std::unique_ptr<CompiledModel> compile(const Key& shapes);

    MappedWeights weights_;
    ov::Core core_;
    std::shared_ptr<ov::Model> model_;
    ov::AnyMap settings_;
    std::vector<std::string> free_;                                         // tensors whose sizes it is compiled for
    std::vector<std::pair<Key, std::unique_ptr<CompiledModel>>> compiled_;  // the most recently used is last
};

}  // namespace latentlink
