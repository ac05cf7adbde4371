#include "sessions/gpu/tensorrt_library.h"

#include "sessions/readback.h"
#include "targets/table.h"

namespace latentlink::LATENTLINK_TRT {

namespace {

constexpr std::size_t ERRORS = 5;   // that a message shows
constexpr std::size_t MOST = 1000;  // that are kept
const std::string FILE_NAME = (FOR_RTX ? "libtensorrt_rtx.so." : "libnvinfer.so.") + std::to_string(NV_TENSORRT_MAJOR);

}  // namespace

NvInfer load_library() {
    NvInfer library(FILE_NAME);
    if (!library.error().empty()) {
        const Package& package = target_named(TARGET)->packages.front();
        throw PreflightError("The target " + std::string(TARGET) + " needs " + std::string(package.title) + ", but " +
                                 FILE_NAME + " cannot be loaded (" + library.error() + ").",
                             "Install it: " + std::string(package.install) + ".");
    }
    return library;
}

void ErrorLog::log(Severity severity, nvinfer1::AsciiChar const* message) noexcept {
    if (severity > Severity::kERROR) return;
    try {
        const std::lock_guard held(lock_);
        if (errors_.size() < MOST) errors_.push_back(one_line(message));
    } catch (...) {  // there is no memory to say so
    }
}

std::string ErrorLog::summary() {
    const std::lock_guard held(lock_);
    std::string text;
    for (std::size_t i = 0; i < errors_.size() && i < ERRORS; ++i) {
        std::string& error = errors_[i];
        error.erase(error.find_last_not_of('.') + 1);
        text += (text.empty() ? "" : "; ") + error;
    }
    errors_.clear();
    return text.empty() ? "it does not say why" : text;
}

}  // namespace latentlink::LATENTLINK_TRT
