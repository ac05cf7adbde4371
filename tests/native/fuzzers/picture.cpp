// Picture files: what they say of themselves, and their pixels.

#include "given_file.h"
#include "picture_files/reading.h"
#include "vocabulary/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace latentlink;
    const GivenFile file(data, size);
    try {
        read_picture_file(file.path()).parameters();
    } catch (const Error&) {
    }
    try {
        read_picture(file.path());
    } catch (const Error&) {
    }
    return 0;
}
