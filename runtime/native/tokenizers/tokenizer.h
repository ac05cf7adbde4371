// A tokenizer: the ids of a text, as the `tokenizers` library gives them for the same `tokenizer.json`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace latentlink {

struct TokenizerRecord;

// One token of a text.
struct Token {
    std::uint32_t id = 0;
    std::string text;       // as the vocabulary has it, or the letters of an unknown or added one
    std::size_t begin = 0;  // the byte of the text that it begins with
};

// Made of a `tokenizer.json` that was checked. Threads may share one.
class Tokenizer {
  public:
    // Throws TokenizerError: it has all that a bundle's tokenizer may have, but no tokenizer can be made of it.
    explicit Tokenizer(TokenizerRecord record);
    Tokenizer(Tokenizer&&) noexcept;
    ~Tokenizer();

    // The tokens of UTF-8 text, without those that begin and end a prompt.
    // Throws TokenizerError: the tokenizer contradicts itself on this text.
    std::vector<Token> encode(std::string_view text) const;

  private:
    struct Steps;
    std::unique_ptr<const Steps> steps_;
};

}  // namespace latentlink
