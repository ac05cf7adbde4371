// tokenizer.json: what is taken makes tokens of every text.

#include "tokenizers/tokenizer.h"

#include "tokenizers/read.h"
#include "vocabulary/errors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace latentlink;
    constexpr std::string_view TEXTS[] = {"", "a red circle", " <s>\n</w> \u2581x\u0301 \u65e5\u672c 123's!",
                                          "\U0001f600\ufb01"};
    try {
        const Tokenizer tokenizer(read_tokenizer({reinterpret_cast<const char*>(data), size}));
        for (const std::string_view text : TEXTS) {
            try {
                tokenizer.encode(text);
            } catch (const Error&) {
            }
        }
    } catch (const Error&) {
    }
    return 0;
}
