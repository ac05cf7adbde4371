#include "targets/ort_providers.h"

#include <dlfcn.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "sessions/readback.h"
#include "targets/table.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

using Options = std::map<std::string, std::string>;

// One provider.
struct Provider {
    std::string_view target;
    std::string_view name;     // ONNX Runtime's name of it
    Options options = {};      // of every session
    Options graphs = {};       // with which it captures runs as CUDA graphs; empty if it does not
    std::string library = "";  // its file: beside ONNX Runtime's own, or of a plug-in; empty if it is built in
    bool plugin = false;
    void (*append)(Ort::SessionOptions& options,
                   const Options& chosen) = nullptr;  // for one that is built in, on a GPU
};

// The texts of options as C takes them.
struct Pairs {
    explicit Pairs(const Options& options) {
        for (const auto& [key, value] : options) {
            keys.push_back(key.c_str());
            values.push_back(value.c_str());
        }
    }
    std::vector<const char*> keys, values;
};

void append_cuda(Ort::SessionOptions& options, const Options& chosen) {
    const OrtApi& api = Ort::GetApi();
    OrtCUDAProviderOptionsV2* made = nullptr;
    Ort::ThrowOnError(api.CreateCUDAProviderOptions(&made));
    const std::unique_ptr<OrtCUDAProviderOptionsV2, decltype(api.ReleaseCUDAProviderOptions)> held(
        made, api.ReleaseCUDAProviderOptions);
    const Pairs pairs(chosen);
    Ort::ThrowOnError(api.UpdateCUDAProviderOptions(made, pairs.keys.data(), pairs.values.data(), pairs.keys.size()));
    options.AppendExecutionProvider_CUDA_V2(*made);
}

void append_tensorrt(Ort::SessionOptions& options, const Options& chosen) {
    const OrtApi& api = Ort::GetApi();
    OrtTensorRTProviderOptionsV2* made = nullptr;
    Ort::ThrowOnError(api.CreateTensorRTProviderOptions(&made));
    const std::unique_ptr<OrtTensorRTProviderOptionsV2, decltype(api.ReleaseTensorRTProviderOptions)> held(
        made, api.ReleaseTensorRTProviderOptions);
    const Pairs pairs(chosen);
    Ort::ThrowOnError(
        api.UpdateTensorRTProviderOptions(made, pairs.keys.data(), pairs.values.data(), pairs.keys.size()));
    options.AppendExecutionProvider_TensorRT_V2(*made);
}

const std::vector<Provider>& providers() {
    static const std::vector<Provider> table = {
        {.target = "ort-cpu", .name = "CPUExecutionProvider"},
        {.target = "ort-cuda",
         .name = "CUDAExecutionProvider",
         // float32 means float32: an engine that has to be fast is built in half precision. The arena grows by the
         // requested size, not to the next power of two.
         .options = {{"device_id", "0"}, {"use_tf32", "0"}, {"arena_extend_strategy", "kSameAsRequested"}},
         .graphs = {{"enable_cuda_graph", "1"}},
         .library = "libonnxruntime_providers_cuda.so",
         .append = append_cuda},
        {.target = "ort-tensorrt",
         .name = "TensorrtExecutionProvider",
         .options = {{"device_id", "0"}},
         // It could capture, but keeps one graph for a session, which it replays for runs of other shapes too: it does
         // not read `gpu_graph_id`.
         .library = "libonnxruntime_providers_tensorrt.so",
         .append = append_tensorrt},
        {.target = "ort-nv-rtx",
         .name = "NvTensorRTRTXExecutionProvider",
         .library = "libonnxruntime_providers_nv_tensorrt_rtx.so",
         .plugin = true},
    };
    return table;
}

const Provider& provider_of(std::string_view target) {
    const auto found = std::ranges::find(providers(), target, &Provider::target);
    if (found == providers().end()) throw std::invalid_argument("not a target of ONNX Runtime");
    return *found;
}

// The folder of ONNX Runtime's library, beside which it has those of its providers; empty if the system does not say.
std::filesystem::path folder_of_runtime() {
    Dl_info found;
    if (dladdr(reinterpret_cast<void*>(OrtGetApiBase), &found) == 0 || found.dli_fname == nullptr) return {};
    std::error_code none;
    return std::filesystem::canonical(found.dli_fname, none).parent_path();
}

// Why a provider's library cannot be loaded; empty if it can. Called only after ONNX Runtime's own attempt: the library
// must not be loaded before ONNX Runtime has prepared it.
std::string load_error(const Provider& provider) {
    if (provider.library.empty()) return "";
    const std::string path = (folder_of_runtime() / provider.library).string();
    void* opened = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (opened == nullptr) {
        const char* why = dlerror();
        return why == nullptr ? "" : why;
    }
    dlclose(opened);
    return "";
}

PreflightError unusable(const Provider& provider, std::string_view why) {
    std::string installs;
    for (const Package& package : target_named(provider.target)->packages) {
        installs += (installs.empty() ? "" : "; ") + std::string(package.install);
    }
    return PreflightError("The target " + std::string(provider.target) + " needs " + std::string(provider.name) +
                              ", which cannot be used here: " + one_line(why) + ".",
                          "Install what it needs: " + installs + ". Or build the bundle for another target.");
}

// Refuse a provider that this ONNX Runtime was built without.
void check_built_in(const Provider& provider) {
    const std::vector<std::string> available = Ort::GetAvailableProviders();
    if (std::ranges::find(available, provider.name) != available.end()) return;
    const std::vector<std::string_view> names(available.begin(), available.end());
    throw PreflightError(
        "The target " + std::string(provider.target) + " needs " + std::string(provider.name) +
            ", but this onnxruntime " + Ort::GetVersionString() + " has " + joined(names) + ".",
        "Install the package that has it: " + std::string(target_named(provider.target)->packages.front().install) +
            "; or build the bundle for another target.");
}

#if ORT_API_VERSION >= 22
// The file of a plug-in, which the system's loader finds.
std::string plugin_path(const Provider& provider) {
    void* opened = dlopen(provider.library.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (opened == nullptr) {
        const char* why = dlerror();
        throw unusable(provider, why == nullptr ? provider.library : why);
    }
    char folder[PATH_MAX] = "";
    dlinfo(opened, RTLD_DI_ORIGIN, folder);
    dlclose(opened);
    return (std::filesystem::path(folder) / provider.library).string();
}

// Add the first device of a plug-in, which is registered if necessary.
void append_plugin(Ort::Env& environment, Ort::SessionOptions& options, const Provider& provider,
                   const Options& chosen) {
    const std::string name(provider.name);
    try {
        environment.RegisterExecutionProviderLibrary(name.c_str(), plugin_path(provider));
    } catch (const Ort::Exception& error) {
        if (std::string_view(error.what()).find("already registered") == std::string_view::npos) {
            throw unusable(provider, error.what());
        }
    }
    for (const Ort::ConstEpDevice& device : environment.GetEpDevices()) {
        if (device.EpName() != name) continue;
        const std::unordered_map<std::string, std::string> pairs(chosen.begin(), chosen.end());
        options.AppendExecutionProvider_V2(environment, {device}, pairs);
        return;
    }
    throw PreflightError("The target " + std::string(provider.target) + " needs a GPU that " + name +
                             " takes, and it takes none of this machine's.",
                         "Run it on an RTX GPU, of compute capability 8.6, 8.9, or 12.0 and later; or build the bundle "
                         "for tensorrt-rtx or ort-cuda.");
}
#else
[[noreturn]] void append_plugin(Ort::Env&, Ort::SessionOptions&, const Provider& provider, const Options&) {
    throw unusable(provider,
                   "this latentlink was built with headers of ONNX Runtime before 1.22, which has no plug-ins");
}
#endif

}  // namespace

Ort::Env ort_environment() {
    // ONNX Runtime sends telemetry unless this is set before its first use (its Privacy.md), and its threads for that
    // hang or crash a forked process at exit. Set the variable to 0 to have telemetry.
    static const int telemetry_is_off = ::setenv("ORT_DISABLE_TELEMETRY", "1", 0);
    static_cast<void>(telemetry_is_off);
    if (OrtGetApiBase()->GetApi(ORT_API_VERSION) == nullptr) {  // it is said on standard error, too
        throw PreflightError("This latentlink needs ONNX Runtime 1." + std::to_string(ORT_API_VERSION) +
                                 " or later, but loaded " + OrtGetApiBase()->GetVersionString() + ".",
                             "Install that one, or build latentlink with the headers of this one.");
    }
    return Ort::Env(ORT_LOGGING_LEVEL_WARNING, "latentlink");
}

Ort::Session open_inference(Ort::Env& environment, const std::filesystem::path& path, Ort::SessionOptions options,
                            std::string_view target, const OrtPlacement& placement) {
    const Provider& provider = provider_of(target);
    Options chosen = provider.options;
    if (placement.stream != nullptr) {
        chosen["has_user_compute_stream"] = "1";
        chosen["user_compute_stream"] = std::to_string(reinterpret_cast<std::uintptr_t>(placement.stream));
    }
    if (placement.graphs) chosen.insert(provider.graphs.begin(), provider.graphs.end());
    if (!provider.plugin) check_built_in(provider);
    try {
        if (provider.plugin) {
            append_plugin(environment, options, provider, chosen);
        } else if (provider.append != nullptr) {
            provider.append(options, chosen);
        }
        return Ort::Session(environment, path.c_str(), options);
    } catch (const Ort::Exception&) {
        if (const std::string why = provider.plugin ? "" : load_error(provider); !why.empty()) {
            throw unusable(provider, why);
        }
        throw;
    }
}

bool captures(std::string_view target) { return !provider_of(target).graphs.empty(); }

std::string ort_words(const Ort::Exception& error) {
    static constexpr std::string_view NAMES[] = {"SUCCESS",
                                                 "FAIL",
                                                 "INVALID_ARGUMENT",
                                                 "NO_SUCHFILE",
                                                 "NO_MODEL",
                                                 "ENGINE_ERROR",
                                                 "RUNTIME_EXCEPTION",
                                                 "INVALID_PROTOBUF",
                                                 "MODEL_LOADED",
                                                 "NOT_IMPLEMENTED",
                                                 "INVALID_GRAPH",
                                                 "EP_FAIL",
                                                 "MODEL_LOAD_CANCELED",
                                                 "MODEL_REQUIRES_COMPILATION",
                                                 "NOT_FOUND"};
    const auto code = static_cast<std::size_t>(error.GetOrtErrorCode());
    return "[ONNXRuntimeError] : " + std::to_string(code) + " : " +
           std::string(code < std::size(NAMES) ? NAMES[code] : "GENERAL ERROR") + " : " + error.what();
}

}  // namespace latentlink
