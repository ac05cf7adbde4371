#include "sessions/ort_engine.h"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <span>

#include "sessions/readback.h"
#include "targets/ort_providers.h"
#include "vocabulary/errors.h"
#include "vocabulary/processors.h"

namespace latentlink {

namespace {

// Words in errors of ONNX Runtime's allocators and of CUDA when memory is exhausted.
constexpr std::array<std::string_view, 3> NO_MEMORY = {"Failed to allocate memory", "out of memory", "std::bad_alloc"};

// Words in ONNX Runtime's error when it cannot capture an engine.
constexpr std::string_view NO_GRAPHS = "graph capture";

// An element type of ONNX, as ONNX Runtime names it in Python.
struct Type {
    ONNXTensorElementDataType type;
    std::string_view name;
    std::optional<DType> dtype = {};  // that ports can have
};

constexpr Type TYPES[] = {
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, "float", DType::float32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, "float16", DType::float16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, "uint8", DType::uint8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, "int32", DType::int32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, "int64", DType::int64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, "bfloat16"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, "double"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, "bool"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, "string"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, "int8"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, "int16"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, "uint16"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, "uint32"},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, "uint64"},
};

Ort::SessionOptions session_options(const SessionOptions& options) {
    Ort::SessionOptions made;
    made.SetLogSeverityLevel(ORT_LOGGING_LEVEL_ERROR);
    // One operator at a time on all threads: the graphs are chains, so a second pool would only compete.
    made.SetExecutionMode(ORT_SEQUENTIAL);
    made.SetInterOpNumThreads(1);
    made.SetIntraOpNumThreads(options.threads.value_or(0) > 0 ? *options.threads : processors());
    // With memory patterns, the second run of a size allocates all its memory once more, in one piece.
    if (options.low_memory) made.DisableMemPattern();
    // Threads that spin after a run would take CPU time from the rest of the process.
    made.AddConfigEntry("session.force_spinning_stop", "1");
#if ORT_API_VERSION >= 24
    made.AddConfigEntry("session.record_ep_graph_assignment_info", "1");
#endif
    // The graph was optimised when it was built, except for the layout, which depends on this processor and is done
    // here.
    return made;
}

Port port_of(const std::filesystem::path& path, std::string_view name, const Ort::TypeInfo& info) {
    if (info.GetONNXType() != ONNX_TYPE_TENSOR) return read_port(path, name, {}, {}, "no tensor");
    const auto tensor = info.GetTensorTypeAndShapeInfo();
    const auto sizes = tensor.GetShape();
    std::vector<const char*> names(sizes.size());
    tensor.GetSymbolicDimensions(names.data(), names.size());
    std::vector<Dim> shape;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        shape.push_back(sizes[i] >= 0 ? Dim(sizes[i]) : Dim(std::string(names[i])));
    }
    const auto* type = std::ranges::find(TYPES, tensor.GetElementType(), &Type::type);
    const bool known = type != std::end(TYPES);
    return read_port(path, name, std::move(shape), known ? type->dtype : std::nullopt,
                     known ? "tensor(" + std::string(type->name) + ")" : "tensor of another type");
}

std::map<std::string, int> placement_of(const Ort::Session& session) {
    std::map<std::string, int> nodes;
#if ORT_API_VERSION >= 24
    const OrtApi& api = Ort::GetApi();
    const OrtEpAssignedSubgraph* const* parts = nullptr;
    std::size_t count = 0;
    Ort::ThrowOnError(api.Session_GetEpGraphAssignmentInfo(session, &parts, &count));
    for (const OrtEpAssignedSubgraph* part : std::span(parts, count)) {
        const char* name = nullptr;
        const OrtEpAssignedNode* const* found = nullptr;
        std::size_t number = 0;
        Ort::ThrowOnError(api.EpAssignedSubgraph_GetEpName(part, &name));
        Ort::ThrowOnError(api.EpAssignedSubgraph_GetNodes(part, &found, &number));
        nodes[name] += static_cast<int>(number);
    }
#else
    (void)session;
#endif
    return nodes;
}

}  // namespace

OrtEngine::OrtEngine(const std::filesystem::path& path, std::string_view target, const SessionOptions& options,
                     const OrtOnGpu& gpu)
    : environment_(ort_environment()), title_(engine_title(path)) {
    try {
        open(path, target, options, gpu);
        placement_ = placement_of(session_);
    } catch (const Ort::Exception& error) {
        fail(ort_words(error), "cannot be opened by ONNX Runtime");
    }
    Ort::AllocatorWithDefaultOptions names;
    for (std::size_t i = 0; i < session_.GetInputCount(); ++i) {
        inputs_.push_back(port_of(path, session_.GetInputNameAllocated(i, names).get(), session_.GetInputTypeInfo(i)));
    }
    for (std::size_t i = 0; i < session_.GetOutputCount(); ++i) {
        outputs_.push_back(
            port_of(path, session_.GetOutputNameAllocated(i, names).get(), session_.GetOutputTypeInfo(i)));
    }
}

void OrtEngine::open(const std::filesystem::path& path, std::string_view target, const SessionOptions& options,
                     const OrtOnGpu& gpu) {
    const auto opened = [&](bool graphs) {
        return open_inference(environment_, path, session_options(options), target, {gpu.stream, graphs});
    };
    const bool capture = gpu.graphs && captures(target);
    try {
        session_ = opened(capture);
        graphs_ = capture;
    } catch (const Ort::Exception& error) {
        if (!capture || std::string_view(error.what()).find(NO_GRAPHS) == std::string_view::npos) throw;
        session_ = opened(false);  // a part of it runs on the CPU
    }
}

void OrtEngine::fail(const std::string& words, std::string_view how) const {
    const auto occurs = [&words](std::string_view part) { return words.find(part) != std::string::npos; };
    if (std::ranges::any_of(NO_MEMORY, occurs)) throw std::bad_alloc();
    throw BundleError("The engine " + title_ + " " + std::string(how) + ": " + one_line(words),
                      "Build the bundle again: latentlink build EXPORTED BUNDLE.");
}

DType dtype_of_tensor(ONNXTensorElementDataType type) {
    const auto* found = std::ranges::find(TYPES, type, &Type::type);
    if (found == std::end(TYPES) || !found->dtype) throw std::invalid_argument("no dtype of a port");
    return *found->dtype;
}

ONNXTensorElementDataType ort_type(DType dtype) {
    if (dtype == DType::bfloat16) return ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
    return std::ranges::find(TYPES, std::optional(dtype), &Type::dtype)->type;
}

}  // namespace latentlink
