// Prompts that were encoded once: they fit models that read the same symbols.

#include <doctest/doctest.h>

#include "text/prompt_embeddings.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

const Port PORT = Port::parse("text__demo__d4__float32__00000000", {"N", "S", std::int64_t{4}});

std::string message_of(const PromptEmbeddings& encoded, const SizeLimits& limits = {}) {
    try {
        encoded.check({{PORT.tensor(), PORT}}, limits, "denoiser of demo");
    } catch (const Error& error) {
        return error.message();
    }
    return "";
}

PromptEmbeddings one(Array prompt, std::optional<Array> negative, std::optional<std::string> text = "") {
    return {{"a"}, {text}, {{{PORT.tensor(), {prompt, negative}}}}};
}

}  // namespace

TEST_CASE("embeddings of the port's dtype and shape fit, with a negative one where there is a negative prompt") {
    const Array three(DType::float32, {3, 4});
    CHECK(message_of(one(three, three)) == "");
    CHECK(message_of(one(three, {}, std::nullopt)) == "");
    CHECK(one(three, three).nbytes() == 2 * 3 * 4 * 4);
}

TEST_CASE("embeddings that do not fit are named as Python names them") {
    const Array three(DType::float32, {3, 4}), two(DType::float32, {2, 4}), half(DType::float16, {3, 4});
    const std::string expected =
        " for " + PORT.tensor() + "; expected float32 of ['S', 4], for the negative prompt too.";
    CHECK(message_of(one(three, {})) == "Prompt 1 has float32 [3, 4] and NoneType" + expected);
    CHECK(message_of(one(three, two)) == "Prompt 1 has float32 [3, 4] and float32 [2, 4]" + expected);
    CHECK(message_of(one(half, half)) == "Prompt 1 has float16 [3, 4] and float16 [3, 4]" + expected);
    CHECK(message_of(one(three, three, std::nullopt)) == "Prompt 1 has float32 [3, 4]" + expected);
    CHECK(message_of(one(three, three), {{"S", {1, 2, 2}}}) ==
          "Prompt 1 has float32 [3, 4] and float32 [3, 4]" + expected);
}

TEST_CASE("embeddings of another model are no usage fault") {
    const PromptEmbeddings other({"a"}, {std::nullopt}, {{{"other", {Array(DType::float32, {3, 4}), {}}}}});
    CHECK_THROWS_AS(other.check({{PORT.tensor(), PORT}}, {}, "denoiser of demo"), LinkError);
    CHECK(message_of(other) == "Prompt 1 was encoded to other, but denoiser of demo reads " + PORT.tensor() + ".");
    CHECK(
        message_of(PromptEmbeddings({"a"}, {std::nullopt}, {{}})).starts_with("Prompt 1 was encoded to nothing, but"));
}

TEST_CASE("as many of each are needed, at least one") {
    CHECK_THROWS_AS(PromptEmbeddings({}, {}, {}), UsageError);
    CHECK_THROWS_AS(PromptEmbeddings({"a", "b"}, {std::nullopt}, {{}, {}}), UsageError);
}
