// ONNX files: the names of the files that their weights are in.

#include "bundle/onnx_locations.h"
#include "given_file.h"
#include "vocabulary/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace latentlink;
    const GivenFile file(data, size);
    try {
        external_locations(file.path());
    } catch (const Error&) {
    }
    return 0;
}
