// Checks of single values in a `tokenizer.json`: each says what it expects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/flat_json.h"
#include "vocabulary/errors.h"
#include "vocabulary/json.h"

namespace latentlink {

// A value of a `tokenizer.json` is not one that a bundle may have.
class TokenizerFormatError final : public BundleError {
  public:
    // `where` is the path of keys to the value, `model.vocab`; `problem` what is wrong with it: `received 3, expected
    // text`.
    TokenizerFormatError(std::string_view where, std::string_view problem);
};

// Raises for a value that is not allowed at a path.
using Check = std::function<void(const std::string& where, const FlatValue& value)>;

// A key of an object.
struct TokenizerField {
    std::string_view key;
    Check check;
    bool required = true;
};

// Python's `reprlib.repr` of a value: at most 80 characters of a text or number, 4 values, 3 levels.
std::string short_repr(const FlatValue& value);
std::string short_repr(std::string_view text);

// The error for a value, which is shortened.
TokenizerFormatError unexpected(std::string_view where, const FlatValue& value, std::string_view expected);

// Exactly one of these values, each null, a boolean or a text.
Check one_of(std::vector<Json> values);
Check flag();

// Text of so many characters.
Check text_of(std::size_t least, std::size_t most);

// Null, or what `inner` allows.
Check optional(Check inner);

// A whole number from 0.
Check whole_number(std::int64_t most);

// A list of at most so many values.
void check_items(std::string_view where, const FlatValue& value, std::size_t most);

// An object with these keys and no others, each with a value that its check allows.
void check_fields(const std::string& where, const FlatValue& value, std::span<const TokenizerField> known);

}  // namespace latentlink
