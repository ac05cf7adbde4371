// Latents that move between spaces: sizes as by the Python runtime, and what is refused before anything is decoded.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "recipes.h"
#include "transfers.h"
#include "vectors.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

constexpr int SCALE = 4;

LatentSpace space_named(const std::string& name) {
    return {.name = name, .channels = 4, .downscale = SCALE, .scaling = 0.5};
}

Latents latents_of(const std::string& space, std::int64_t width, std::int64_t height, std::int64_t count = 1) {
    return Latents::checked(
        {.array = Array(DType::float32, {count, 4, height / SCALE, width / SCALE}), .space = space_named(space)});
}

// Grey pictures for these latents: as many, as large, the first one as bright as said and each after it one brighter.
std::vector<Array> grey(const Latents& latents, int first) {
    std::vector<Array> pictures;
    for (std::int64_t number = 0; number < latents.array.size(0); ++number) {
        Array picture(DType::uint8, {latents.array.size(2) * SCALE, latents.array.size(3) * SCALE, 3});
        std::ranges::fill(picture.as<std::uint8_t>(), static_cast<std::uint8_t>(first + number));
        pictures.push_back(picture);
    }
    return pictures;
}

// An end of a transfer, whose pictures are of one brightness.
TransferEnd end_of(const std::string& name, const std::string& space, int brightness) {
    return {.name = name,
            .space = space_named(space),
            .size_multiple = 8,
            .decode = [brightness](const Latents& latents) { return grey(latents, brightness); },
            .encode =
                [space](std::span<const Array> pictures) {
                    return latents_of(space, pictures[0].size(1), pictures[0].size(0),
                                      static_cast<std::int64_t>(pictures.size()));
                }};
}

std::optional<std::int64_t> side_of(const Json& given) {
    return given.is_null() ? std::nullopt : std::optional(given.get<std::int64_t>());
}

// The end of a case of sizes.
TransferEnd destination_of(const Json& given) {
    TransferEnd made = end_of("other", "b", 0);
    made.size_multiple = given.at("multiple");
    Engine engine = {.component = "denoiser", .bundle = "other", .session = nullptr, .declared = {}};
    for (const auto& [dim, sizes] : given.at("limits").items()) {
        engine.limits[dim] = sizes.get<std::array<std::int64_t, 3>>();
    }
    made.whole_engines = {engine};
    return made;
}

}  // namespace

TEST_CASE("pictures are encoded in the size that Python chooses, or refused in its words") {
    const Json vectors = read_json("vae.json");
    for (const Json& given : vectors.at("sizes")) {
        CAPTURE(given.dump());
        const std::int64_t width = given.at("own").at(0), height = given.at("own").at(1);
        const TransferOptions options = {
            .width = side_of(given.at("width")), .height = side_of(given.at("height")), .fit = given.at("fit")};
        TransferEnd destination = destination_of(given);
        Json found;
        // what is asked for may be large: only its size is of interest
        struct Size {
            std::int64_t width, height;
        };
        destination.encode = [](std::span<const Array> pictures) -> Latents {
            throw Size{pictures[0].size(1), pictures[0].size(0)};
        };
        try {
            transfer(latents_of("a", width, height), end_of("one", "a", 0), destination, options);
        } catch (const Size& size) {
            found = {{"size", {size.width, size.height}}};
        } catch (const UsageError& error) {
            found = {{"message", error.message()}, {"remedy", error.remedy()}};
        }
        for (const char* key : {"size", "message", "remedy"}) {
            CHECK((found.contains(key) ? found.at(key) : Json()) == (given.contains(key) ? given.at(key) : Json()));
        }
    }
}

TEST_CASE("a transfer says who decoded and encoded, what was resized, and what was lost") {
    const Latents latents = latents_of("a", 64, 32, 2);
    const TransferResult moved = transfer(latents, end_of("one", "a", 100), end_of("two", "b", 104), {.width = 128});
    CHECK_FALSE(moved.direct());
    CHECK(moved.decoded_by == "one");
    CHECK(moved.encoded_by == "two");
    CHECK(moved.resized == std::pair{PictureSize{64, 32}, PictureSize{128, 64}});
    CHECK(moved.latents.space == space_named("b"));
    CHECK(moved.latents.array.shape() == Shape{2, 4, 16, 32});
    const double lost = 10 * std::log10(255.0 * 255.0 / 16);  // every pixel is 4 levels brighter
    CHECK(moved.psnr == doctest::Approx(lost));
    REQUIRE(moved.psnrs.size() == 2);
    CHECK(moved.psnrs[1] == doctest::Approx(lost));
}

TEST_CASE("equal pictures lose nothing") {
    const TransferResult moved = transfer(latents_of("a", 64, 64), end_of("one", "a", 9), end_of("two", "b", 9));
    CHECK(moved.psnr == std::numeric_limits<double>::infinity());
    CHECK_FALSE(moved.resized);
}

TEST_CASE("within one space latents of one size are handed over unchanged, also half-way ones") {
    TransferEnd source = end_of("one", "a", 0), destination = end_of("two", "a", 0);
    source.decode = [](const Latents&) -> std::vector<Array> { throw std::logic_error("it decoded"); };
    Latents latents = latents_of("a", 64, 64);
    latents.level = Level{0.6, 0.8};
    const TransferResult moved = transfer(latents, source, destination);
    CHECK(moved.direct());
    CHECK(moved.psnrs.empty());
    CHECK(moved.latents.array.bytes().data() == latents.array.bytes().data());
}

TEST_CASE("half-way latents cannot move to another space, and latents of a third space are refused") {
    Latents latents = latents_of("a", 64, 64);
    latents.level = Level{0.6, 0.8};
    CHECK_THROWS_WITH_AS(transfer(latents, end_of("one", "a", 0), end_of("two", "b", 0)),
                         "The latents are half way, and what one decodes from them is noise; expected finished ones. "
                         "Finish them in their own space: generate with init_latents and denoising_start.",
                         UsageError);
    CHECK_THROWS_WITH_AS(transfer(latents_of("b", 64, 64), end_of("one", "a", 0), end_of("two", "b", 0)),
                         "one decodes latent space \"a\" (4 channels, /4, scaling 0.5), but these latents are of "
                         "\"b\" (4 channels, /4, scaling 0.5). two reads them as they are: there is nothing to "
                         "transfer.",
                         LinkError);
    latents.file = "x.safetensors";
    CHECK_THROWS_WITH_AS(transfer(latents, end_of("one", "b", 0), end_of("two", "b", 0)),
                         "one decodes latent space \"b\" (4 channels, /4, scaling 0.5), but x.safetensors is of "
                         "\"a\" (4 channels, /4, scaling 0.5). Take a bundle of space \"a\" as the source.",
                         LinkError);
}

TEST_CASE("latents that are not finite are refused") {
    Latents latents = latents_of("a", 64, 64);
    latents.array.as<float>()[5] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH_AS(transfer(latents, end_of("one", "a", 0), end_of("two", "b", 0)),
                         "The latents hold 1 values that are not finite; expected numbers.", UsageError);
}
