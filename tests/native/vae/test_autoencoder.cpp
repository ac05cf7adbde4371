// Both halves of a VAE, with a double of an engine: what they write is what Python's write with the same double.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

#include "recipes.h"
#include "sessions/host_session.h"
#include "vae/guarded.h"
#include "vae/vae_double.h"
#include "vectors.h"
#include "vocabulary/errors.h"
#include "vocabulary/sha256.h"

using namespace latentlink;

namespace {

const Json& vectors() {
    static const Json read = read_json("vae.json");
    return read;
}

Autoencoder vae_of(const Json& given) {
    std::optional<std::pair<std::int64_t, std::int64_t>> sides;
    if (!given.at("sides").is_null()) sides = {given.at("sides").at(0), given.at("sides").at(1)};
    return {"double", double_vae(given.at("dtype") == "float16" ? DType::float16 : DType::float32, sides)};
}

double sum_of(const Array& array) {
    double sum = 0;
    const Array numbers = array.to(DType::float32);
    for (const float one : numbers.as<float>()) sum += static_cast<double>(one);
    return sum;
}

// Some latents, of two pictures unless said otherwise, whose pictures have no fault.
Array some_latents(std::int64_t count = 2) {
    Array made(DType::float32, {count, 4, 12, 12});
    const auto numbers = made.as<float>();
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<float>(i) / 40.0F);
    return made;
}

Array black(Array made) { return Array(made.dtype(), made.shape()); }

Array not_finite(Array made) {
    Array numbers = made.clone();
    numbers.as<float>()[3] = std::numeric_limits<float>::infinity();
    return numbers;
}

}  // namespace

TEST_CASE("latents are decoded and pictures encoded as by Python, whole and in passes, in both dtypes") {
    for (const Json& given : vectors().at("autoencoders")) {
        if (given.contains("zeros")) continue;
        CAPTURE(given.dump());
        Autoencoder vae = vae_of(given);
        const Array z = latents_of(given.at("latents"));
        const std::vector<Array> pictures = vae.decode(z);
        REQUIRE(pictures.size() == given.at("pictures").size());
        for (std::size_t number = 0; number < pictures.size(); ++number) {
            CHECK(sha256_of(pictures[number].bytes()) == given.at("pictures").at(number));
        }

        std::vector<Array> rows;
        for (const Json& recipe : given.at("seen")) rows.push_back(picture_of(recipe));
        const Array seen = stack(rows);
        const std::int64_t height = seen.size(1), width = seen.size(2);
        Array mask(DType::float32, {2, 1, height, width});
        for (std::int64_t row = 0; row < 2; ++row) {
            for (std::int64_t y = 10; y < 90; ++y) {
                for (std::int64_t x = 30; x < 77; ++x) {
                    mask.as<float>()[static_cast<std::size_t>((row * height + y) * width + x)] = 1;
                }
            }
        }
        const std::array encoded = {vae.encode(seen, &mask, z), vae.encode(seen, nullptr, Array(z.dtype(), z.shape()))};
        for (std::size_t number = 0; number < encoded.size(); ++number) {
            CHECK(encoded[number].dtype() == vae.linked().latent.dtype);
            CHECK(encoded[number].shape() == z.shape());
            CHECK(sha256_of(encoded[number].bytes()) == given.at("encoded").at(number));
            CHECK(sum_of(encoded[number]) == doctest::Approx(given.at("sums").at(number).get<double>()).epsilon(1e-9));
        }
        Json passes = Json::object();
        for (const auto& [component, count] :
             vae.passes(static_cast<int>(width), static_cast<int>(height), true, true)) {
            passes[component] = count;
        }
        CHECK(passes == given.at("passes"));
    }
}

TEST_CASE("a size that no pass has is refused in Python's words") {
    for (const Json& given : vectors().at("autoencoders")) {
        if (!given.contains("zeros")) continue;
        CAPTURE(given.dump());
        const std::string expected = given.at("message");
        try {
            vae_of(given).decode(Array(DType::float32, given.at("zeros").get<Shape>()));
            FAIL("it was decoded");
        } catch (const UsageError& error) {
            CHECK(error.message() == expected);
        }
    }
}

TEST_CASE("a decoder reads what the denoiser wrote where it lies, and writes the same pictures") {
    Autoencoder vae("double", double_vae(DType::float32));
    const Array z = some_latents();
    const auto written = std::make_shared<HostBuffer>(z.clone());
    const std::vector<Array> there = vae.decode(Array(z.dtype(), z.shape()), written), uploaded = vae.decode(z);
    for (std::size_t number = 0; number < 2; ++number) {
        CHECK(std::ranges::equal(there[number].bytes(), uploaded[number].bytes()));
    }
}

TEST_CASE("a half that a bundle lacks is named, with what to do") {
    LinkedVae linked = double_vae(DType::float32);
    linked.decoder.reset();
    linked.encoder.reset();
    Autoencoder vae("demo", linked);
    CHECK_THROWS_WITH_AS(
        vae.decode(some_latents()),
        "The bundle demo has no vae_decoder. Take it from a bundle of the same latent space: --replace "
        "vae_decoder=BUNDLE (replace={\"vae_decoder\": BUNDLE}), or export and build it with both halves.",
        UsageError);
    CHECK_THROWS_AS(vae.encode(Array(DType::uint8, {1, 48, 48, 3}), nullptr, some_latents(1)), UsageError);
    CHECK(vae.passes(48, 48, true, false).empty());
}

TEST_CASE("an engine that writes another shape than its latent's is refused") {
    Autoencoder vae("double", double_vae(DType::float32, {}, [](const Array&) {
                        return Array(DType::uint8, {1, 48, 40, 3});
                    }));
    CHECK_THROWS_AS(vae.decode(some_latents()), BundleError);
}

TEST_CASE("a budget below the smallest pass is refused with the one that it needs, and a large one changes nothing") {
    const Array z = some_latents(1);
    CHECK_THROWS_AS(Autoencoder("double", double_vae(DType::float32), 0), UsageError);
    // what the double takes is below the pages that the system counts, so that only the blended picture is in the way
    Autoencoder small("double", double_vae(DType::float32), 1000);
    try {
        small.decode(z);
        FAIL("it was decoded");
    } catch (const UsageError& error) {
        CHECK(error.message().starts_with(
            "vae_decoder of double may take 1.0 kB, but its smallest pass, of 32x32 pixels, needs about "));
        CHECK(error.remedy().starts_with("Allow at least that: vae_memory="));
    }
    Autoencoder large("double", double_vae(DType::float32), std::int64_t{1} << 40);
    Autoencoder free("double", double_vae(DType::float32));
    CHECK(std::ranges::equal(large.decode(z)[0].bytes(), free.decode(z)[0].bytes()));
}

TEST_CASE("a faulty picture is decoded again by the wider engine, which is opened once and closed in the end") {
    int opened = 0;
    SessionPtr session;
    GuardedVae vae(Autoencoder("double", double_vae(DType::float32, {}, black)),
                   {{"vae_decoder", [&] {
                         ++opened;
                         Engine engine = *double_vae(DType::float32).decoder;
                         session = engine.session;
                         return engine;
                     }}});
    Guard watch;
    const std::vector<Array> made = vae.decode(watch, some_latents(), true);
    const std::vector<Array> wanted = Autoencoder("double", double_vae(DType::float32)).decode(some_latents());
    for (std::size_t number = 0; number < 2; ++number) {
        CHECK(std::ranges::equal(made[number].bytes(), wanted[number].bytes()));
    }
    REQUIRE(watch.mended.size() == 2);
    CHECK(opened == 1);
    CHECK(watch.mended[1].component == "vae_decoder");
    CHECK(watch.mended[1].number == 2);
    CHECK(watch.mended[1].count == 2);
    CHECK(watch.mended[1].fault.found.starts_with("is black"));

    vae.close();
    vae.close();
    CHECK_THROWS_AS(session->run({}, {}), UsageError);
    CHECK_THROWS_WITH_AS(vae.decode(watch, some_latents(), true),
                         "The pipeline of double is closed. Load the bundle again.", UsageError);
}

TEST_CASE("latents that are not finite are encoded again by the wider engine") {
    GuardedVae vae(Autoencoder("double", double_vae(DType::float32, {}, {}, not_finite)),
                   {{"vae_encoder", [] { return *double_vae(DType::float32).encoder; }}});
    Guard watch;
    const Array seen(DType::uint8, {2, 48, 48, 3}), noise = some_latents();
    const Array made = vae.encode(watch, seen, nullptr, noise);
    const Array wanted = Autoencoder("double", double_vae(DType::float32)).encode(seen, nullptr, noise);
    CHECK(std::ranges::equal(made.bytes(), wanted.bytes()));
    REQUIRE(watch.mended.size() == 1);
    CHECK(watch.mended[0].component == "vae_encoder");
    CHECK(watch.mended[0].number == 1);
    CHECK(watch.mended[0].count == 1);
}

TEST_CASE("without a wider engine a fault is refused, and off returns what there is") {
    GuardedVae vae(Autoencoder("double", double_vae(DType::float32, {}, black, not_finite)));
    Guard on, off = {.on = false};
    CHECK_THROWS_AS(vae.decode(on, some_latents(), true), GuardError);
    CHECK(vae.decode(off, some_latents(), true).size() == 2);
    const Array seen(DType::uint8, {2, 48, 48, 3});
    CHECK_THROWS_AS(vae.encode(on, seen, nullptr, some_latents()), GuardError);
    CHECK(vae.encode(off, seen, nullptr, some_latents()).size(0) == 2);
    CHECK(on.mended.empty());
}
