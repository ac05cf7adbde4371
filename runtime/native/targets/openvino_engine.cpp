#include "targets/openvino_engine.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/ports.h"
#include "vocabulary/processors.h"

namespace latentlink {

namespace {

constexpr std::string_view HEAD = "<?xml";
constexpr std::uint64_t MAX_GRAPH = std::uint64_t{1} << 30;  // bytes, without the weights

// Key of an engine's metadata. With the value `bf16`, its float32 nodes compute in bfloat16, except the marked ones.
constexpr const char* LOWERED_KEY[] = {"latentlink", "inference_precision"};

// Operators that repeat as often as a number in the file says. No engine needs one.
constexpr std::string_view ENDLESS[] = {"Loop", "TensorIterator"};

// Sizes for which an engine is compiled at a time: usually with guidance and without.
constexpr std::size_t MAX_COMPILED = 2;

std::string read_graph(const std::filesystem::path& path) {
    auto graph = read_file(path, MAX_GRAPH);
    if (!graph || !graph->starts_with(HEAD)) throw std::runtime_error("it is no OpenVINO IR");
    return *graph;
}

bool is_symbol(const std::string& name) {
    try {
        Port::parse(name);
        return true;
    } catch (const UsageError&) {
        return false;
    }
}

bool is_lowered(const ov::Model& model) {
    const std::vector<std::string> key(std::begin(LOWERED_KEY), std::end(LOWERED_KEY));
    return model.has_rt_info(key) && model.get_rt_info<ov::Any>(key).as<std::string>() == "bf16";
}

bool has(const ov::Model& model, std::string_view operation) {
    return std::ranges::any_of(model.get_ops(), [&](const auto& node) { return node->get_type_name() == operation; });
}

ov::AnyMap settings_for(const ov::Model& model, std::optional<int> threads) {
    ov::AnyMap settings = {
        // It computes in the types of the graph: by default, OpenVINO replaces float32 by bfloat16 where it can.
        {"INFERENCE_PRECISION_HINT", is_lowered(model) ? "bf16" : "f32"},
        // One run at a time on all threads; further streams would hold buffers for runs that never come.
        {"NUM_STREAMS", "1"},
        // A pinned thread waits for its processor even while another one is idle, and other programs and engines have
        // threads too.
        {"ENABLE_CPU_PINNING", false},
    };
    if (threads) {
        settings["INFERENCE_NUM_THREADS"] = *threads;
        settings["ENABLE_HYPER_THREADING"] = true;
    } else if (cpu_quota()) {  // OpenVINO does not see it; of this number it uses one thread a core at most
        settings["INFERENCE_NUM_THREADS"] = processors();
    }
    return settings;
}

}  // namespace

std::vector<std::string> tensor_names(const ov::Output<ov::Node>& value) {
    const std::set<std::string> sorted(value.get_names().begin(), value.get_names().end());
    std::vector<std::string> names;
    std::ranges::copy_if(sorted, std::back_inserter(names), is_symbol);
    if (names.empty() && !sorted.empty()) names.push_back(*sorted.begin());
    return names;
}

CompiledModel::CompiledModel(ov::CompiledModel model, const MappedWeights& weights)
    : request(model.create_infer_request()), model_(std::move(model)), weights_(&weights) {}

ov::Shape CompiledModel::initial_shape(const std::string& output) const {
    ov::Shape shape;
    for (const ov::Dimension& size : model_.output(output).get_partial_shape()) {
        shape.push_back(size.is_dynamic() ? 0 : static_cast<std::size_t>(size.get_length()));
    }
    return shape;
}

void CompiledModel::infer() {
    if (weights_ == nullptr) {
        request.infer();
        return;
    }
    const MappedWeights::Releasing reading(*weights_);
    request.infer();
    weights_ = nullptr;
}

OpenVinoEngine::OpenVinoEngine(const std::filesystem::path& path, std::optional<int> threads, bool low_memory)
    : weights_(std::filesystem::path(path).replace_extension(".bin")) {
    const std::string graph = read_graph(path);
    {
        const MappedWeights::Releasing reading(weights_);
        const ov::Tensor memory(ov::element::u8, {weights_.bytes().size()}, weights_.bytes().data());
        model_ = core_.read_model(graph, memory);
    }
    for (const std::string_view operation : ENDLESS) {
        if (!has(*model_, operation)) continue;
        throw std::runtime_error("it has the operator " + std::string(operation) + ", which may repeat for ever");
    }
    settings_ = settings_for(*model_, threads);
    if (!low_memory || has(*model_, "If")) {
        for (const auto& value : inputs()) {
            if (value.get_partial_shape().is_dynamic()) free_.push_back(tensor_names(value).at(0));
        }
    }
    if (free_.empty()) compile_for({});
}

CompiledModel& OpenVinoEngine::compile_for(const std::function<const Shape&(const std::string&)>& shape_of) {
    Key key;
    for (const std::string& name : free_) key.push_back(shape_of(name));
    const auto found = std::ranges::find(compiled_, key, &decltype(compiled_)::value_type::first);
    if (found != compiled_.end()) {
        std::rotate(found, found + 1, compiled_.end());
    } else {
        while (compiled_.size() >= MAX_COMPILED) compiled_.erase(compiled_.begin());
        auto made = compile(key);
        compiled_.emplace_back(std::move(key), std::move(made));
    }
    return *compiled_.back().second;
}

std::unique_ptr<CompiledModel> OpenVinoEngine::compile(const Key& shapes) {
    std::shared_ptr<ov::Model> model = model_;
    if (!shapes.empty()) {
        std::map<std::string, ov::PartialShape> sizes;
        for (std::size_t i = 0; i < free_.size(); ++i) {
            sizes[free_[i]] = ov::PartialShape(std::vector<ov::Dimension>(shapes[i].begin(), shapes[i].end()));
        }
        model = model_->clone();
        model->reshape(sizes);
    }
    const MappedWeights::Releasing reading(weights_);
    return std::make_unique<CompiledModel>(core_.compile_model(model, "CPU", settings_), weights_);
}

void OpenVinoEngine::trim() {
    if (!free_.empty()) compiled_.clear();
}

}  // namespace latentlink
