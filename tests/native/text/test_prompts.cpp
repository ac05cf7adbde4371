// Prompts as text encoders read them: as the Python runtime reads them.

#include <doctest/doctest.h>

#include "../asking.h"
#include "../tokenizers/tokenizer_vectors.h"
#include "text/inversions.h"
#include "text/prompts.h"
#include "text/tokenizing.h"
#include "text/weighting.h"

using namespace latentlink;

namespace {

Json parts_of(const Json& prompt) {
    Json parts = Json::array();
    for (const auto& [text, weight] : weighted_parts(prompt.get<std::string>())) parts.push_back({text, weight});
    return parts;
}

Json numbers_of(const Array& array) {
    Json numbers = Json::array();
    if (array.dtype() == DType::int32) {
        for (const std::int32_t number : array.as<std::int32_t>()) numbers.push_back(number);
    } else {
        for (const float number : array.as<float>()) numbers.push_back(static_cast<double>(number));
    }
    return numbers;
}

// A folder with the tokenizer of a case.
class TokenizerFolder {
  public:
    explicit TokenizerFolder(const Json& name)
        : file(folder_.file("tokenizer.json",
                            tokenizer_bytes(named(token_vectors().at("prompt_tokenizers"), name).at("is")))) {}

  private:
    TemporaryFolder folder_;

  public:
    const std::filesystem::path file;
};

}  // namespace

TEST_CASE("weights of prompts are read in the same way, or refused in the same words") {
    for (const Json& one : token_vectors().at("weighted")) {
        CAPTURE(one.at("prompt").dump());
        try {
            const Json parts = parts_of(one.at("prompt"));
            REQUIRE(one.contains("parts"));
            CHECK(parts.dump() == one.at("parts").dump());
        } catch (const UsageError& error) {
            REQUIRE(one.contains("message"));
            CHECK(error.message() == one.at("message").get<std::string>());
            CHECK(error.remedy() == one.at("remedy").get<std::string>());
        }
    }
}

TEST_CASE("prompts have the same pieces, ids and weights, or are refused in the same words") {
    for (const Json& one : token_vectors().at("prompts")) {
        CAPTURE(one.at("prompts").dump());
        const TokenizerFolder folder(one.at("tokenizer"));
        const auto prompts = one.at("prompts").get<std::vector<std::string>>();
        try {
            const Prompts read(folder.file, TokenizerEntry::from_json(one.at("entry")));
            const int pieces = read.pieces(prompts);
            const Tokens tokens = read.tokens(prompts, pieces);
            CHECK(pieces == one.at("pieces").get<int>());
            CHECK(numbers_of(tokens.ids).dump() == one.at("ids").dump());
            CHECK(numbers_of(tokens.weights).dump() == one.at("weights").dump());
        } catch (const Error& error) {
            REQUIRE(one.contains("message"));
            CHECK(error.message() == one.at("message").get<std::string>());
            CHECK(error.remedy() == one.at("remedy").get<std::string>());
            CHECK(static_cast<int>(error.status()) == one.at("status").get<int>());
        }
    }
}

TEST_CASE("a prompt that is no text is refused") {
    const TokenizerFolder folder("demo");
    const Tokenizer tokenizer = open_tokenizer(folder.file, "t/tokenizer.json");
    for (const std::string bytes : {"a\xFF", "\xED\xA0\x80", "\xC0\x80", "\xE2\x82"}) {
        CHECK_THROWS_AS(encode(tokenizer, bytes, "t/tokenizer.json"), UsageError);
    }
    CHECK(!encode(tokenizer, std::string("\0\n", 2), "t/tokenizer.json").empty());
}

TEST_CASE("a tokenizer that a bundle may not have is a fault of the bundle, by its name") {
    const TemporaryFolder folder;
    const auto message = [&](const std::string& content) {
        try {
            open_tokenizer(folder.file("tokenizer.json", content), "t/tokenizer.json");
        } catch (const BundleError& error) {
            return error.message();
        }
        return std::string();
    };
    CHECK(message("null") ==
          "t/tokenizer.json is no tokenizer that a bundle may have. tokenizer.json: received None, "
          "expected an object.");
    Json record = named(token_vectors().at("tokenizers"), "clip").at("is");
    record["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
    CHECK(message(record.dump()) ==
          "t/tokenizer.json is not a tokenizer that the tokenizers library reads ('missing "
          "field `trim_offsets`').");
    CHECK_THROWS_AS(open_tokenizer(folder / "missing.json", "t/tokenizer.json"), MachineError);
}

TEST_CASE("words that multiply each other are refused before the text is made") {
    std::set<std::string, std::less<>> digits;
    std::map<std::string, std::int64_t, std::less<>> vectors;
    for (char digit = '0'; digit <= '9'; ++digit) {
        digits.insert(std::string(1, digit));
        vectors[std::string(1, digit)] = 1024;
    }
    CHECK_THROWS_AS(expanded("0 1 2 3", digits, vectors), UsageError);
    CHECK(expanded("X and Y", {"X"}, {{"X", 3}, {"Y", 2}}) == "X X_1 X_2 and Y");
}
