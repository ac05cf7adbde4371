// Candidates that are a few numbers are judged as in Python.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "probing/candidate.h"
#include "vectors.h"
#include "vocabulary/spaces.h"

using namespace latentlink;

namespace {

constexpr std::int64_t SIDE = 6;  // of a latent, of which each channel has SIDE * SIDE elements
constexpr std::size_t AREA = SIDE * SIDE;

const Port& latent_of_tests() {
    static const Port port = latent_port({.name = "one", .channels = 2, .downscale = 8});
    return port;
}

// The picture that a decoder of the vectors makes.
Array decoded(const Json& decoder, const Array& latent) {
    const auto z = latent.as<float>();
    const double factor = decoder.at("factor");
    Array picture(DType::uint8, {1, SIDE, SIDE, 3});
    for (std::size_t place = 0; place < AREA; ++place) {
        double values[2];
        for (std::size_t c = 0; c < 2; ++c) {
            values[c] = factor * static_cast<double>(z[c * AREA + place]) + decoder.at("shift")[c].get<double>();
        }
        for (std::size_t k = 0; k < 3; ++k) {
            const Json& row = decoder.at("matrix")[k];
            const double colour = 128 + 60 * (row[0].get<double>() * values[0] + row[1].get<double>() * values[1]);
            picture.as<std::uint8_t>()[place * 3 + k] =
                static_cast<std::uint8_t>(std::clamp(std::nearbyint(colour), 0.0, 255.0));
        }
    }
    return picture;
}

// The latent that an encoder of the vectors makes.
Array encoded(const Json& encoder, const Array& golden) {
    const double factor = encoder.at("factor"), wave = encoder.at("wave");
    Array latent(DType::float32, golden.shape());
    for (std::size_t i = 0; i < golden.count(); ++i) {
        const double shift = encoder.at("shift")[i / AREA].get<double>();
        latent.as<float>()[i] = static_cast<float>(factor * static_cast<double>(golden.as<float>()[i]) + shift +
                                                   wave * std::sin(static_cast<double>(i)));
    }
    return latent;
}

void check_number(double found, const Json& expected) {
    if (expected.is_string()) {
        CHECK(std::isinf(found));
    } else {
        CHECK(found == doctest::Approx(expected.get<double>()).epsilon(1e-9));
    }
}

void check_result(const CandidateResult& found, const Json& expected) {
    CAPTURE(expected.dump());
    check_number(found.agreement.psnr, expected.at("psnr"));
    check_number(found.snr, expected.at("snr"));
    check_number(found.gain, expected.at("gain"));
    check_number(found.factor, expected.at("factor"));
    CHECK(found.same() == expected.at("same").get<bool>());
    CHECK((found.accepted() ? "" : found.summary()) == expected.at("refusal").get<std::string>());
}

std::vector<Array> latents(const Json& vectors) {
    std::vector<Array> arrays;
    for (const Json& numbers : vectors.at("latents")) {
        arrays.push_back(Array::of<float>(numbers.get<std::vector<float>>(), {1, 2, SIDE, SIDE}));
    }
    return arrays;
}

}  // namespace

TEST_CASE("decoders are judged as in Python") {
    const Json vectors = read_json("candidates.json");
    const Port latent = latent_of_tests(), image = image_port();
    Probes probes = {.reference = "torch", .probes = {}};
    for (const Array& z : latents(vectors)) {
        probes.probes.push_back({.name = "probe",
                                 .inputs = {{latent.tensor(), z}},
                                 .outputs = {{image.tensor(), decoded(vectors.at("golden"), z)}}});
    }
    for (const Json& expected : vectors.at("decoders")) {
        const Json decoder = expected.at("component");
        const RunEngine run = [&](const Arrays& inputs) -> Arrays {
            return {{image.tensor(), decoded(decoder, inputs.at(latent.tensor()))}};
        };
        check_result(judge(probes, run, std::span(&latent, 1), std::span(&image, 1)), expected);
    }
}

TEST_CASE("encoders are judged as in Python") {
    const Json vectors = read_json("candidates.json");
    const Port latent = latent_of_tests(), image = image_port();
    const std::vector<Array> golden = latents(vectors);
    Probes probes = {.reference = "torch", .probes = {}};
    for (std::size_t number = 0; number < golden.size(); ++number) {
        const std::vector<std::uint8_t> pixels(8 * 8 * 3, static_cast<std::uint8_t>(number));
        probes.probes.push_back({.name = "probe",
                                 .inputs = {{image.tensor(), Array::of<std::uint8_t>(pixels, {1, 8, 8, 3})}},
                                 .outputs = {{latent.tensor(), golden[number]}}});
    }
    for (const Json& expected : vectors.at("encoders")) {
        const Json encoder = expected.at("component");
        const RunEngine run = [&](const Arrays& inputs) -> Arrays {
            const std::size_t number = inputs.at(image.tensor()).as<std::uint8_t>()[0];
            return {{latent.tensor(), encoded(encoder, golden[number])}};
        };
        check_result(judge(probes, run, std::span(&image, 1), std::span(&latent, 1)), expected);
    }
}

TEST_CASE("a decoder that fails on shifted latents is refused") {
    const Json vectors = read_json("candidates.json");
    const Port latent = latent_of_tests(), image = image_port();
    const Array z = latents(vectors).front(), golden = decoded(vectors.at("golden"), z);
    const Probes probes = {
        .reference = "torch",
        .probes = {{.name = "probe", .inputs = {{latent.tensor(), z}}, .outputs = {{image.tensor(), golden}}}}};
    const RunEngine run = [&](const Arrays& inputs) -> Arrays {
        const auto given = inputs.at(latent.tensor()).as<float>();
        const bool fails = !std::ranges::equal(given, z.as<float>());
        Array picture(DType::float32, golden.shape());
        for (std::size_t i = 0; i < golden.count(); ++i) {
            picture.as<float>()[i] = fails ? std::nanf("") : static_cast<float>(golden.as<std::uint8_t>()[i]) + 5;
        }
        return {{image.tensor(), picture}};
    };
    const CandidateResult found = judge(probes, run, std::span(&latent, 1), std::span(&image, 1));
    CHECK_FALSE(found.accepted());
    CHECK(found.summary() == "it writes no finite numbers for latents that are shifted by 0.25 standard deviations");
}
