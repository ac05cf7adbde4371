// Manifests: what is read is written and read again as the same.

#include "bundle/manifest.h"

#include <cstdlib>

#include "vocabulary/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace latentlink;
    try {
        const Json record = Manifest::from_bytes({reinterpret_cast<const char*>(data), size}).to_json();
        if (Manifest::from_json(record).to_json() != record) std::abort();
    } catch (const Error&) {
    }
    return 0;
}
