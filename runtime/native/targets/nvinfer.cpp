#include "targets/nvinfer.h"

#include <dlfcn.h>

namespace latentlink {

NvInfer::NvInfer(const std::string& file) {
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* why = dlerror();
        error_ = why == nullptr ? file : why;
        return;
    }
    for (const char* part : {"Major", "Minor", "Patch", "Build"}) {
        const std::string name = std::string("getInferLib") + part + "Version";
        const auto number = reinterpret_cast<int (*)()>(dlsym(library, name.c_str()));
        if (number == nullptr) {
            error_ = "it has no " + name;
            return;
        }
        version_ += (version_.empty() ? "" : ".") + std::to_string(number());
    }
    create_runtime_ = reinterpret_cast<CreateRuntime>(dlsym(library, "createInferRuntime_INTERNAL"));
    if (create_runtime_ == nullptr) error_ = "it has no createInferRuntime_INTERNAL";
}

}  // namespace latentlink
