// What a denoiser reads beside latents: embeddings that were made before, and conditions.

#include <doctest/doctest.h>

#include "../request/ports_alone.h"
#include "denoising/conditioning.h"
#include "step_double.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

Array filled(Shape shape, float first) {
    Array made(DType::float32, std::move(shape));
    for (float& number : made.as<float>()) number = first++;
    return made;
}

bool equal(const Array& a, const Array& b) {
    return a.shape() == b.shape() && std::ranges::equal(a.as<float>(), b.as<float>());
}

Engine denoiser_of(const Port& port) { return engine_of({port}, Json::object()); }

const Port SIZE{.kind = "condition", .name = "size", .layout = {{'k', 2}}, .digest = "00000000"};

}  // namespace

TEST_CASE("embeddings that were encoded before come back from the device as they were") {
    Json calls = Json::array();
    Linked linked;
    linked.denoiser.session = std::make_shared<StepDouble>("cfg", DType::float32, calls);
    const EncodedPrompt whole = {{"words", {.prompt = filled({2, 8}, 0), .negative = filled({2, 8}, 100)}},
                                 {"pooled", {.prompt = filled({8}, 50), .negative = filled({8}, 60)}}};
    const EncodedPrompt zeros = {{"words", {.prompt = filled({3, 8}, 7)}}, {"pooled", {.prompt = filled({8}, 9)}}};
    const PromptEmbeddings encoded({"a", "b"}, {"x", std::nullopt}, {whole, zeros});
    const std::vector<Texts> texts = upload_texts(linked, encoded);
    const std::vector<EncodedPrompt> found = download_texts(texts);
    REQUIRE(found.size() == 2);
    for (const char* tensor : {"words", "pooled"}) {
        CHECK(equal(found[0].at(tensor).prompt, whole.at(tensor).prompt));
        CHECK(equal(*found[0].at(tensor).negative, *whole.at(tensor).negative));
        CHECK(equal(found[1].at(tensor).prompt, zeros.at(tensor).prompt));
        CHECK(!found[1].at(tensor).negative);
    }
    // a prompt and its negative prompt share a buffer, which the guard reads once
    CHECK(embeddings(texts, "words").size() == 2);
    CHECK(embeddings(texts, "words").front().count() == 32);
}

TEST_CASE("conditions are those of the request, by tensor") {
    Request request;
    request.conditions = {{"size", {{1, 2}, {3, 4}}}};
    const ConditionNumbers found = conditions_of(denoiser_of(SIZE), request);
    CHECK(found.at(SIZE.tensor()) == std::pair<Numbers, Numbers>{{1, 2}, {3, 4}});
}

TEST_CASE("a condition that the manifest has no numbers for is the bundle's fault") {
    constexpr const char* REMEDY = " The manifest was edited or belongs to another engine: build the bundle again.";
    Request request;
    const auto says = [&request](const std::string& found) {
        const std::string expected =
            "denoiser of demo reads the condition 'size' of 2 numbers, but the manifest's "
            "sampling has " +
            found + " for it." + REMEDY;
        CHECK_THROWS_WITH_AS(conditions_of(denoiser_of(SIZE), request), expected.c_str(), BundleError);
    };
    says("none");
    request.conditions = {{"size", {{1}, {1}}}};
    says("1");
}
