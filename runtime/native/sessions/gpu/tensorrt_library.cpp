#include "sessions/gpu/tensorrt_library.h"

#include <dlfcn.h>

#include "sessions/readback.h"
#include "targets/table.h"

namespace latentlink::LATENTLINK_TRT {

namespace {

constexpr std::size_t ERRORS = 5;   // that a message shows
constexpr std::size_t MOST = 1000;  // that are kept
const std::string FILE_NAME = (FOR_RTX ? "libtensorrt_rtx.so." : "libnvinfer.so.") + std::to_string(NV_TENSORRT_MAJOR);

PreflightError missing(const std::string& why) {
    const Package& package = target_named(TARGET)->packages.front();
    return PreflightError("The target " + std::string(TARGET) + " needs " + std::string(package.title) + ", but " +
                              FILE_NAME + " cannot be loaded (" + why + ").",
                          "Install it: " + std::string(package.install) + ".");
}

template <typename Function>
Function* symbol(void* library, const char* name) {
    auto* found = reinterpret_cast<Function*>(dlsym(library, name));
    if (found == nullptr) throw missing(std::string("it has no ") + name);
    return found;
}

}  // namespace

Library load_library() {
    void* opened = dlopen(FILE_NAME.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (opened == nullptr) {
        const char* why = dlerror();
        throw missing(why == nullptr ? "" : why);
    }
    std::string version;
    for (const char* part : {"Major", "Minor", "Patch", "Build"}) {
        const std::string name = std::string("getInferLib") + part + "Version";
        version += (version.empty() ? "" : ".") + std::to_string(symbol<std::int32_t()>(opened, name.c_str())());
    }
    return {version, symbol<void*(void*, std::int32_t)>(opened, "createInferRuntime_INTERNAL")};
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
