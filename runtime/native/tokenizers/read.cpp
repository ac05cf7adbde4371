#include "tokenizers/read.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "tokenizers/fields.h"
#include "tokenizers/kinds.h"

namespace latentlink {

namespace {

FlatJson parse(std::string_view data) {
    try {
        return FlatJson::parse(data);
    } catch (const JsonError& error) {
        switch (error.cause()) {
            case JsonError::Cause::constant:
                throw TokenizerFormatError("", "received " + error.detail() + ", expected finite numbers");
            case JsonError::Cause::nested:
                throw TokenizerFormatError("", "received values nested without end, expected flat records");
            default:
                throw TokenizerFormatError(
                    "", "received text that is no UTF-8 JSON (" + error.detail() + "), expected an object");
        }
    }
}

}  // namespace

TokenizerRecord read_tokenizer(std::string_view data) {
    if (data.size() > MAX_TOKENIZER_BYTES) {
        throw TokenizerFormatError("", "received " + std::to_string(data.size()) + " bytes, expected at most " +
                                           std::to_string(MAX_TOKENIZER_BYTES));
    }
    const auto values = std::ranges::count(data, ',') + std::ranges::count(data, '[') + std::ranges::count(data, '{');
    if (static_cast<std::size_t>(values) > MAX_TOKENIZER_VALUES) {
        throw TokenizerFormatError(
            "", "received more than " + std::to_string(MAX_TOKENIZER_VALUES) + " values, expected fewer");
    }
    TokenizerRecord record = {parse(data), {}};
    const Check ignored = [](const auto&, const auto&) {};
    const std::array<TokenizerField, 9> fields = {{
        {"version", one_of({"1.0"})},
        {"added_tokens", check_added},
        {"normalizer", check_normalizer},
        {"pre_tokenizer", check_pre_tokenizer},
        {"model", [&](const auto& where, const auto& value) { record.merges = check_model(where, value); }},
        {"truncation", ignored, false},
        {"padding", ignored, false},
        {"post_processor", ignored, false},
        {"decoder", ignored, false},
    }};
    check_fields("", record.json.root(), fields);
    return record;
}

}  // namespace latentlink
