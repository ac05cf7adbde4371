#include "sessions/gpu/tensorrt_plan.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <span>
#include <utility>

#include "sessions/readback.h"
#include "targets/mapped_weights.h"
#include "targets/table.h"
#include "vocabulary/texts.h"

namespace latentlink::LATENTLINK_TRT {

namespace {

using nvinfer1::DataType;

constexpr const char* REBUILD = "Build the bundle again: latentlink build EXPORTED BUNDLE.";
constexpr std::int64_t FREE = std::int64_t{1} << 31;  // largest size of a dimension without a limit

// A type of TensorRT, by its name in Python.
struct Type {
    DataType type;
    std::string_view name;
    std::optional<DType> dtype = {};  // that ports can have
};

constexpr Type TYPES[] = {
    {DataType::kFLOAT, "FLOAT", DType::float32},
    {DataType::kHALF, "HALF", DType::float16},
    {DataType::kUINT8, "UINT8", DType::uint8},
    {DataType::kINT32, "INT32", DType::int32},
    {DataType::kINT64, "INT64", DType::int64},
    {DataType::kBF16, "BF16"},
    {DataType::kINT8, "INT8"},
    {DataType::kBOOL, "BOOL"},
    {DataType::kFP8, "FP8"},
    {DataType::kINT4, "INT4"},
};

Shape shape_of(const nvinfer1::Dims& dims) { return dims.nbDims < 0 ? Shape() : Shape(dims.d, dims.d + dims.nbDims); }

}  // namespace

TensorrtPlan::TensorrtPlan(const std::filesystem::path& path, Cuda& cuda)
    : title_(engine_title(path)), library_(load_library()),
      runtime_(static_cast<nvinfer1::IRuntime*>(library_.create_runtime()(&log_, NV_TENSORRT_VERSION))) {
    if (runtime_ == nullptr) fail("cannot be opened");
    open(path);
    configure(cuda);
    for (std::int32_t number = 0; number < engine_->getNbIOTensors(); ++number) {
        const std::string name = engine_->getIOTensorName(number);
        sizes_[name] = range(name);
        (reads(name) ? inputs_ : outputs_).push_back(port_of(name, path));
    }
}

// Open the engine, reading as much of the file as TensorRT needs.
void TensorrtPlan::open(const std::filesystem::path& path) {
    const std::string library = std::string(target_named(TARGET)->packages.front().title) + " " + library_.version();
    std::error_code none;
    if (std::filesystem::file_size(path, none) == 0) {
        throw BundleError(library + " cannot open " + title_ + ": the file is empty.", REBUILD);
    }
    const MappedWeights plan(path);
    check_header(plan.bytes(), library);
    engine_.reset(runtime_->deserializeCudaEngine(plan.bytes().data(), plan.bytes().size()));
    // files are checked before they are opened, so it is another GPU, driver or release than the builder's
    if (engine_ == nullptr) throw invalid(library, reason());
    streams_ = engine_->getStreamableWeightsSize() != 0;
    // if it was built for streaming, as many as fit stay on the GPU
    if (streams_) engine_->setWeightStreamingBudgetV2(engine_->getWeightStreamingAutomaticBudget());
}

#if LATENTLINK_TRT_FOR_RTX
void TensorrtPlan::check_header(std::span<const std::byte> plan, const std::string& library) {
    using Kind = nvinfer1::EngineInvalidityDiagnostics;
    static constexpr std::pair<Kind, std::string_view> KINDS[] = {
        {Kind::kCUDA_ERROR, "cuda error"},
        {Kind::kINSUFFICIENT_GPU_MEMORY, "insufficient gpu memory"},
        {Kind::kMALFORMED_ENGINE, "malformed engine"},
        {Kind::kOLD_CUDA_DRIVER, "old cuda driver"},
        {Kind::kOLD_CUDA_RUNTIME, "old cuda runtime"},
        {Kind::kUNSUPPORTED_CC, "unsupported cc"},
        {Kind::kVERSION_MISMATCH, "version mismatch"},
    };
    const auto size = std::min<std::int64_t>(runtime_->getEngineHeaderSize(), static_cast<std::int64_t>(plan.size()));
    std::uint64_t found = 0;
    if (runtime_->getEngineValidity(plan.data(), size, &found) != nvinfer1::EngineValidity::kINVALID) return;
    if ((found & static_cast<std::uint64_t>(Kind::kMALFORMED_ENGINE)) != 0) {
        throw BundleError(library + " cannot open " + title_ + ": it is not a plan, or damaged.", REBUILD);
    }
    std::vector<std::string_view> listed;
    for (const auto& [kind, name] : KINDS) {
        if ((found & static_cast<std::uint64_t>(kind)) != 0) listed.push_back(name);
    }
    throw invalid(library, listed.empty() ? log_.summary() : joined(listed));
}
#else
void TensorrtPlan::check_header(std::span<const std::byte>, const std::string&) {}  // TensorRT has no such check
#endif

// Execution contexts have no memory of their own, unless weights are streamed: TensorRT allocates memory for these as
// it runs, "which conflicts with user-managed allocation" (its own words).
nvinfer1::ExecutionContextAllocationStrategy TensorrtPlan::strategy() const {
    using Strategy = nvinfer1::ExecutionContextAllocationStrategy;
    return streams_ ? Strategy::kSTATIC : Strategy::kUSER_MANAGED;
}

#if LATENTLINK_TRT_FOR_RTX
void TensorrtPlan::configure(Cuda& cuda) {
    config_.reset(engine_->createRuntimeConfig());
    if (config_ == nullptr) fail();
    config_->setExecutionContextAllocationStrategy(strategy());
    // graphs are captured by us, after the kernels of these shapes are compiled: later ones would be left out
    config_->setCudaGraphStrategy(nvinfer1::CudaGraphStrategy::kDISABLED);
    config_->setDynamicShapesKernelSpecializationStrategy(nvinfer1::DynamicShapesKernelSpecializationStrategy::kEAGER);
    // compiled kernels outlive the engine, as another one may need them, or this one when it is opened again; TensorRT
    // does not own the cache
    const Cuda::Hold held(cuda);
    std::shared_ptr<void>& cache = cuda.shared[std::string(TARGET)];
    if (cache == nullptr) cache = std::shared_ptr<nvinfer1::IRuntimeCache>(config_->createRuntimeCache());
    if (cache != nullptr) config_->setRuntimeCache(*static_cast<nvinfer1::IRuntimeCache*>(cache.get()));
}
#else
void TensorrtPlan::configure(Cuda&) {}
#endif

bool TensorrtPlan::reads(const std::string& tensor) const {
    return engine_->getTensorIOMode(tensor.c_str()) == nvinfer1::TensorIOMode::kINPUT;
}

// Shapes of a tensor: an input's from the profile; free dimensions of an output are -1 to FREE.
Sizes TensorrtPlan::range(const std::string& tensor) const {
    const Shape shape = shape_of(engine_->getTensorShape(tensor.c_str()));
    if (std::ranges::find(shape, -1) == shape.end()) return {shape, shape};
    if (reads(tensor)) {
        using Select = nvinfer1::OptProfileSelector;
        return {shape_of(engine_->getProfileShape(tensor.c_str(), 0, Select::kMIN)),
                shape_of(engine_->getProfileShape(tensor.c_str(), 0, Select::kMAX))};
    }
    Shape high = shape;
    std::ranges::replace(high, -1, FREE);
    return {shape, high};
}

Port TensorrtPlan::port_of(const std::string& tensor, const std::filesystem::path& path) const {
    if (engine_->getTensorLocation(tensor.c_str()) != nvinfer1::TensorLocation::kDEVICE) {
        throw BundleError(
            "The engine " + title_ + " has " + repr(tensor) + " on the host; expected all its tensors on the GPU.",
            "It is a fault of the export: report it.");
    }
    const Sizes& found = sizes_.at(tensor);
    std::vector<Dim> shape;  // the engine has no names for dimensions
    for (std::size_t i = 0; i < found.low.size() && i < found.high.size(); ++i) {
        shape.push_back(found.low[i] == found.high[i] ? Dim(found.low[i]) : Dim("d" + std::to_string(i)));
    }
    const auto* type = std::ranges::find(TYPES, engine_->getTensorDataType(tensor.c_str()), &Type::type);
    const bool known = type != std::end(TYPES);
    return read_port(path, tensor, std::move(shape), known ? type->dtype : std::nullopt,
                     known ? type->name : "another type");
}

std::unique_ptr<nvinfer1::IExecutionContext> TensorrtPlan::context() {
#if LATENTLINK_TRT_FOR_RTX
    std::unique_ptr<nvinfer1::IExecutionContext> made(engine_->createExecutionContext(config_.get()));
#else
    std::unique_ptr<nvinfer1::IExecutionContext> made(engine_->createExecutionContext(strategy()));
#endif
    if (made == nullptr) fail();
    return made;
}

void TensorrtPlan::fail(const std::string& how) {
    throw BundleError("The engine " + title_ + " " + how + ": " + reason() + ".", REBUILD);
}

// What TensorRT logged. Throws std::bad_alloc: it is a want of memory.
std::string TensorrtPlan::reason() {
    std::string reason = log_.summary();
    std::string letters = lower(reason);
    std::erase(letters, ' ');
    if (letters.find("outofmemory") != std::string::npos) throw std::bad_alloc();
    return reason;
}

PreflightError TensorrtPlan::invalid(const std::string& library, const std::string& reason) const {
    return PreflightError(library + " cannot run " + title_ + " on this machine: " + reason + ".", REBUILD);
}

}  // namespace latentlink::LATENTLINK_TRT
