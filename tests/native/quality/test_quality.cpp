// Quality: the gate's figures, and agreement with a reference, as Python has them.

#include "../asking.h"
#include "quality/agreement.h"
#include "quality/gate.h"
#include "quality/precisions.h"

using namespace latentlink;

namespace {

// numpy sums in another order.
constexpr double RELATIVE = 1e-12;

Array array_of(const Json& numbers, const std::string& dtype) {
    const auto size = static_cast<std::int64_t>(numbers.size());
    if (dtype == "uint8") return Array::of<std::uint8_t>(numbers.get<std::vector<std::uint8_t>>(), {size});
    const Array floats = Array::of<float>(numbers.get<std::vector<float>>(), {size});
    return dtype == "float16" ? floats.to(DType::float16) : floats;
}

void check_number(double found, const Json& expected) {
    if (expected.is_null()) {
        CHECK_FALSE(std::isfinite(found));
    } else {
        CHECK(found == doctest::Approx(expected.get<double>()).epsilon(RELATIVE));
    }
}

}  // namespace

TEST_CASE("the gate's figures are read and judged as in Python") {
    const Json questions = read_json("engines.json").at("parity");
    for (const Json& question : questions) {
        CAPTURE(question.dump());
        const std::optional<Quality> quality = Quality::of_parity(question.at("given"));
        const Json& expected = question.at("answer");
        REQUIRE(quality.has_value() == !expected.is_null());
        if (!quality) continue;
        CHECK(quality->shortfall_summary() == expected.at("shortfalls").get<std::string>());
        CHECK(quality->summary() == expected.at("summary").get<std::string>());
        CHECK(quality->visually_lossless() == expected.at("lossless").get<bool>());
    }
}

TEST_CASE("agreement is measured as in Python") {
    const Json questions = read_json("engines.json").at("agreement");
    for (const Json& question : questions) {
        CAPTURE(question.dump());
        const std::string dtype = question.at("dtype");
        const std::vector<std::pair<Array, Array>> pairs = {
            {array_of(question.at("output"), dtype), array_of(question.at("reference"), dtype)}};
        const Agreement found =
            measure_agreement(pairs, question.at("precision").get<std::string>(), question.at("onnx").get<bool>());
        const Json& expected = question.at("answer");
        check_number(found.cosine, expected.at("cosine"));
        check_number(found.psnr, expected.at("psnr"));
        check_number(found.worst, expected.at("worst"));
        check_number(found.max_abs, expected.at("max_abs"));
        CHECK(found.needed_psnr == expected.at("needed_psnr").get<double>());
        CHECK(found.needed_worst == expected.at("needed_worst").get<double>());
        CHECK(found.summary() == question.at("summary").get<std::string>());
        CHECK(found.sufficient() == found.summary().empty());
    }
}

TEST_CASE("what is no number reaches no threshold") {
    const Array wanted = Array::of<float>(std::vector<float>{1, 2}, {2});
    const Array broken = Array::of<float>(std::vector<float>{1, NAN}, {2});
    const std::vector<std::pair<Array, Array>> pairs = {{broken, wanted}, {wanted, wanted}};
    const Agreement found = measure_agreement(pairs, "float32");
    CHECK(std::isnan(found.worst));
    CHECK(std::isnan(found.psnr));
    CHECK(found.shortfalls().size() == 2);
    CHECK_FALSE(found.to_json("x").contains("psnr"));
    CHECK(std::isinf(decibel(1, 0)));
    CHECK(range_rank("bfloat16") > range_rank("float16"));
    CHECK(range_rank("int8") == range_rank("float16"));
}

TEST_CASE("pictures are compared in decibel") {
    const Array black(DType::uint8, {1, 2, 2, 3});
    Array other = black.clone();
    CHECK(std::isinf(psnr(black, other)));
    std::ranges::fill(other.as<std::uint8_t>(), std::uint8_t{255});
    CHECK(psnr(black, other) == 0);
}
