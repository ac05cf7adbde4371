// Embeddings: pieces of prompts in batches, and weighted tokens.

#include <doctest/doctest.h>

#include <numeric>

#include "../linking/doubles.h"
#include "text/embedding.h"

using namespace latentlink;

namespace {

constexpr std::int64_t LENGTH = 3, WIDTH = 2;

// A text encoder that writes each token's id, and its half, and of each row the first id; for at most `most` rows.
class Encoder {
  public:
    explicit Encoder(DType dtype, std::optional<std::int64_t> most = {}) {
        reads_ = Port::parse("tokens__demo__l3__int32__00000000", {"P", LENGTH});
        const std::string type(name_of(dtype));
        hidden_ = Port::parse("text__demo__d2__" + type + "__00000000", {"P", LENGTH, WIDTH});
        pooled_ = Port::parse("text__demo_pooled__d2__" + type + "__00000001", {"P", WIDTH});
        session = std::make_shared<Double>(std::vector{reads_}, std::vector{hidden_, pooled_},
                                           [this](const Arrays& given) { return compute(given); });
        engine = {.component = "text_encoder", .bundle = "demo", .session = session, .declared = {{reads_}, {}}};
        if (most) engine.limits["P"] = {1, *most, *most};
    }

    std::string hidden() const { return hidden_.tensor(); }
    std::string pooled() const { return pooled_.tensor(); }

    std::shared_ptr<Double> session;
    Engine engine;

  private:
    Arrays compute(const Arrays& given) const {
        const Array& ids = given.at(reads_.tensor());
        Array all(DType::float32, {ids.size(0), LENGTH, WIDTH}), first(DType::float32, {ids.size(0), WIDTH});
        for (std::size_t i = 0; i < ids.count(); ++i) {
            const auto id = static_cast<float>(ids.as<std::int32_t>()[i]);
            all.as<float>()[2 * i] = id;
            all.as<float>()[2 * i + 1] = id / 2;
            if (i % LENGTH == 0) first.as<float>()[2 * (i / LENGTH)] = id;
        }
        return {{hidden_.tensor(), all.to(hidden_.dtype)}, {pooled_.tensor(), first.to(pooled_.dtype)}};
    }

    Port reads_, hidden_, pooled_;
};

// Tokens 1, 2, 3, ... of so many prompts in pieces, the empty prompt's last; the weights are 1.
Tokens counted(std::int64_t prompts, std::int64_t pieces) {
    Tokens tokens = {Array(DType::int32, {prompts, pieces, LENGTH}), Array(DType::float32, {prompts, pieces, LENGTH})};
    std::iota(tokens.ids.as<std::int32_t>().begin(), tokens.ids.as<std::int32_t>().end(), 1);
    std::ranges::fill(tokens.weights.as<float>(), 1.0f);
    return tokens;
}

std::vector<float> floats_of(const BufferPtr& buffer) {
    const Array array = buffer->host().to(DType::float32);
    return {array.as<float>().begin(), array.as<float>().end()};
}

}  // namespace

TEST_CASE("without weights the empty prompt is not run, and pieces follow each other") {
    Encoder encoder(DType::float32);
    const auto made = encode(encoder.engine, counted(3, 2));
    const Embeddings& hidden = made.at(encoder.hidden());
    CHECK(hidden.buffer->shape() == Shape{4, LENGTH, WIDTH});
    CHECK(hidden.shape == Shape{2 * LENGTH, WIDTH});
    CHECK(hidden.pieces == 2);
    CHECK(made.at(encoder.pooled()).shape == Shape{WIDTH});
    CHECK(floats_of(hidden.buffer).at(2 * 11) == 12);
    CHECK(encoder.session->runs == 1);
}

TEST_CASE("more rows than the engine was built for are run in batches, with the same numbers") {
    Encoder whole(DType::float32), parts(DType::float32, 2);
    const Tokens tokens = counted(6, 1);
    const auto expected = encode(whole.engine, tokens), found = encode(parts.engine, tokens);
    CHECK(parts.session->runs == 3);
    for (const auto& [tensor, embeddings] : expected) {
        CHECK(found.at(tensor).buffer->shape() == embeddings.buffer->shape());
        CHECK(floats_of(found.at(tensor).buffer) == floats_of(embeddings.buffer));
    }
}

TEST_CASE("a weighted token moves away from the empty prompt's at its place, and others stay as they are") {
    for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
        Encoder encoder(dtype);
        Tokens tokens = counted(2, 1);
        tokens.weights.as<float>()[1] = 1.5f;
        const auto made = encode(encoder.engine, tokens);
        // tokens 1 2 3, empty 4 5 6: the second is 5 + 1.5 * (2 - 5) = 0.5
        CHECK(floats_of(made.at(encoder.hidden()).buffer) ==
              std::vector<float>{1, 0.5, 0.5, 0.25, 3, 1.5, 4, 2, 5, 2.5, 6, 3});
        CHECK(made.at(encoder.hidden()).buffer->dtype() == dtype);
        CHECK(floats_of(made.at(encoder.pooled()).buffer) == std::vector<float>{1, 0, 4, 0});
    }
}

TEST_CASE("each step of weighting is rounded to the embedding's type, as numpy does") {
    Encoder encoder(DType::float16);
    Tokens tokens = counted(2, 1);
    tokens.ids.as<std::int32_t>()[1] = 2047;
    tokens.ids.as<std::int32_t>()[4] = 3;
    tokens.weights.as<float>()[1] = 1.1f;
    // 1.1 is 1.0996 there, 1.0996 * 2044 is 2248, and 3 + 2248 is 2252
    CHECK(floats_of(encode(encoder.engine, tokens).at(encoder.hidden()).buffer).at(2) == 2252);
}
