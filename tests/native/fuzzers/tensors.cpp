// Files of tensors, and of latents.

#include "given_file.h"
#include "request/latents.h"
#include "vocabulary/errors.h"
#include "vocabulary/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace latentlink;
    const GivenFile file(data, size);
    try {
        const SafetensorsFile opened(file.path());
        for (const auto& [name, info] : opened.tensors()) {
            try {
                opened.tensor(name);
            } catch (const Error&) {
            }
        }
    } catch (const Error&) {
    }
    try {
        Latents::load(file.path());
    } catch (const Error&) {
    }
    return 0;
}
