// Tokens of hard texts: those of the tokenizers library.

#include <doctest/doctest.h>

#include <array>
#include <cstdint>

#include "tokenizer_vectors.h"
#include "vocabulary/utf8.h"

using namespace latentlink;

namespace {

// tests/vectors/tokens.py's `digest`.
std::uint16_t digest(const std::vector<std::size_t>& numbers) {
    std::size_t made = 0;
    for (const std::size_t number : numbers) made = (made * 257 + number + 1) % 65521;
    return static_cast<std::uint16_t>(made);
}

std::uint16_t digest(const std::vector<Token>& tokens, bool begins) {
    std::vector<std::size_t> numbers;
    for (const Token& token : tokens) {
        numbers.push_back(token.id);
        if (begins) numbers.push_back(token.begin);
    }
    return digest(numbers);
}

// All characters from `first` on, each with two marks.
std::string block_text(char32_t first) {
    std::string text;
    for (char32_t code = first; code < first + 0x1000; ++code) {
        if (code >= 0xD800 && code < 0xE000) continue;
        append_utf8(text, code);
        text += "\u0301\u0323\n";
    }
    return text;
}

}  // namespace

TEST_CASE("a text has the tokens that the library finds, at the same places") {
    const Json& texts = token_vectors().at("texts");
    const auto expected = read_tensor<std::uint16_t>("tokens.safetensors", "digests");
    std::size_t at = 0;
    REQUIRE(expected.size() == texts.size() * token_vectors().at("tokenizers").size());
    for (const Json& entry : token_vectors().at("tokenizers")) {
        const Tokenizer tokenizer = tokenizer_of(entry);
        for (const Json& text : texts) {
            const std::uint16_t found = digest(tokenizer.encode(text.get<std::string>()), true);
            CHECK_MESSAGE(found == expected[at], entry.at("name").dump(), " ", text.dump());
            ++at;
        }
    }
}

TEST_CASE("every character is normalized as the library does it") {
    std::vector<Tokenizer> readers;
    for (const Json& form : token_vectors().at("forms")) {
        readers.push_back(tokenizer_of(named(token_vectors().at("tokenizers"), form)));
    }
    std::vector<char32_t> firsts;
    for (char32_t first = 0; first < 0x33000; first += 0x1000) firsts.push_back(first);
    firsts.insert(firsts.end(), {0xE0000, 0x10F000});
    const auto expected = read_tensor<std::uint16_t>("tokens.safetensors", "blocks");
    REQUIRE(expected.size() == firsts.size() * readers.size());
    std::size_t at = 0;
    for (const char32_t first : firsts) {
        const std::string text = block_text(first);
        for (const Tokenizer& reader : readers) {
            const std::string form = token_vectors().at("forms").at(at % readers.size());
            CHECK_MESSAGE(digest(reader.encode(text), false) == expected[at], form, " from ", std::uint32_t{first});
            ++at;
        }
    }
}

TEST_CASE("the tokens of a text are told by their letters") {
    const Tokenizer tokenizer = tokenizer_of(named(token_vectors().at("tokenizers"), "ends of words"));
    const auto tokens = tokenizer.encode("the aa a\u00E9e");
    std::vector<std::string> texts;
    std::vector<std::size_t> begins;
    for (const Token& token : tokens) {
        texts.push_back(token.text);
        begins.push_back(token.begin);
    }
    CHECK(texts == std::vector<std::string>{"the</w>", "aa</w>", "a", "<unk>", "e</w>"});
    CHECK(begins == std::vector<std::size_t>{0, 4, 7, 8, 10});
}

TEST_CASE("no text takes long, however it is made") {
    for (const Json& entry : token_vectors().at("tokenizers")) {
        const Tokenizer tokenizer = tokenizer_of(entry);
        for (const std::string part : {" ", "aA", "\r\n", "a'", "\u0301a", "1", "'s", "<s> "}) {
            std::string text;
            while (text.size() < 20'000) text += part;
            CHECK_NOTHROW(tokenizer.encode(text + "!"));
        }
    }
}
