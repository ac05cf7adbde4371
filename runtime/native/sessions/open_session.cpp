// The only place that dispatches on a target's name.

#include <algorithm>
#include <array>

#include "sessions/backends.h"
#include "sessions/session.h"
#include "targets/table.h"
#include "vocabulary/checks.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

#ifdef LATENTLINK_HAS_ONNXRUNTIME
#include "sessions/ort.h"
#endif
#ifdef LATENTLINK_HAS_OPENVINO
#include "sessions/openvino.h"
#endif
#ifdef LATENTLINK_HAS_TENSORRT
#include "sessions/tensorrt.h"
#endif
#ifdef LATENTLINK_HAS_TENSORRT_RTX
#include "sessions/tensorrt_rtx.h"
#endif

namespace latentlink {

namespace {

// A backend that this program was built without.
constexpr decltype(Backend::open) none = nullptr;
#ifndef LATENTLINK_HAS_ONNXRUNTIME
constexpr auto open_ort = none;
constexpr decltype(Backend::add_versions) add_ort_versions = nullptr;
#endif
#ifndef LATENTLINK_HAS_OPENVINO
constexpr auto open_openvino = none;
constexpr decltype(Backend::add_versions) add_openvino_versions = nullptr;
#endif
#ifndef LATENTLINK_HAS_TENSORRT
constexpr auto open_tensorrt = none;
constexpr decltype(Backend::add_versions) add_tensorrt_versions = nullptr;
#endif
#ifndef LATENTLINK_HAS_TENSORRT_RTX
constexpr auto open_tensorrt_rtx = none;
constexpr decltype(Backend::add_versions) add_tensorrt_rtx_versions = nullptr;
#endif

constexpr std::string_view TENSORRT[] = {"tensorrt"};
constexpr std::string_view TENSORRT_RTX[] = {"tensorrt-rtx"};
constexpr std::string_view ORT[] = {"ort-tensorrt", "ort-nv-rtx", "ort-cuda", "ort-cpu"};
constexpr std::string_view OPENVINO[] = {"openvino-cpu"};

constexpr std::array<Backend, 4> BACKENDS = {{
    {"TensorRT", TENSORRT, open_tensorrt, add_tensorrt_versions},
    {"TensorRT for RTX", TENSORRT_RTX, open_tensorrt_rtx, add_tensorrt_rtx_versions},
    {"ONNX Runtime", ORT, open_ort, add_ort_versions},
    {"OpenVINO", OPENVINO, open_openvino, add_openvino_versions},
}};

const Backend* backend_of(std::string_view target) {
    const auto* found = std::ranges::find_if(BACKENDS, [target](const Backend& backend) {
        return std::ranges::find(backend.targets, target) != backend.targets.end();
    });
    return found == BACKENDS.end() ? nullptr : found;
}

}  // namespace

SessionPtr open_session(const std::filesystem::path& path, std::string_view target, const SessionOptions& options) {
    const Backend* backend = backend_of(target);
    if (backend == nullptr) {
        std::vector<std::string_view> names;
        for (const Target& known : targets()) names.push_back(known.name);
        throw UsageError("Unknown target " + repr(target) + "; expected one of: " + joined(names) + ".");
    }
    if (options.threads) check_threads(*options.threads);
    if (backend->open == nullptr) {
        throw PreflightError("The target " + std::string(target) + " needs " + std::string(backend->name) +
                                 ", but this latentlink was built without it.",
                             "Build latentlink with it, or build the bundle for another target.");
    }
    return backend->open(path, target, options);
}

bool has_target(std::string_view target) {
    const Backend* backend = backend_of(target);
    return backend != nullptr && backend->open != nullptr;
}

std::span<const Backend> backends() { return BACKENDS; }

LibraryVersions library_versions() {
    LibraryVersions versions;
    for (const Backend& backend : BACKENDS) {
        if (backend.add_versions != nullptr) backend.add_versions(versions);
    }
    return versions;
}

}  // namespace latentlink
