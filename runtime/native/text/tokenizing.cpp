#include "text/tokenizing.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "bundle/record_checks.h"
#include "tokenizers/failure.h"
#include "tokenizers/fields.h"
#include "tokenizers/read.h"
#include "vocabulary/files.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr std::size_t MAX_REASON = 200;  // characters

BundleError failure(std::string_view name, const TokenizerError& error) {
    std::string reason;
    for (const char32_t character : characters(error.message()).substr(0, MAX_REASON)) append_utf8(reason, character);
    return BundleError(
        std::string(name) + " is not a tokenizer that the tokenizers library reads (" + repr(reason) + ").",
        DAMAGED_REMEDY);
}

std::string read(const std::filesystem::path& file) {
    const InputFile opened(file);
    std::string data(std::min<std::uint64_t>(opened.size(), MAX_TOKENIZER_BYTES + 1), '\0');
    data.resize(opened.read(0, std::as_writable_bytes(std::span(data))));
    return data;
}

}  // namespace

Tokenizer open_tokenizer(const std::filesystem::path& file, std::string_view name) {
    const std::string data = read(file);
    try {
        return Tokenizer(read_tokenizer(data));
    } catch (const TokenizerFormatError& error) {
        throw BundleError(std::string(name) + " is no tokenizer that a bundle may have. " + error.message(),
                          DAMAGED_REMEDY);
    } catch (const TokenizerError& error) {
        throw failure(name, error);
    }
}

std::vector<Token> encode(const Tokenizer& tokenizer, std::string_view text, std::string_view name) {
    if (utf8_fault(text))
        throw UsageError("The prompt holds bytes that are no text; expected Unicode characters.", "Give it in UTF-8.");
    try {
        return tokenizer.encode(text);
    } catch (const TokenizerError& error) {
        throw failure(name, error);
    }
}

}  // namespace latentlink
