// Pictures and masks as engines read them: resampled number by number as Pillow does it.

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "../vectors.h"
#include "drawn.h"
#include "picture_files/turning.h"
#include "request/pictures.h"
#include "vocabulary/errors.h"
#include "vocabulary/sha256.h"

using namespace latentlink;

namespace {

// Zeros and ones as bytes.
Array narrow(const Array& mask) {
    Array made(DType::uint8, mask.shape());
    std::ranges::transform(std::as_const(mask).as<float>(), made.as<std::uint8_t>().begin(),
                           [](float one) { return static_cast<std::uint8_t>(one); });
    return made;
}

}  // namespace

TEST_CASE("pictures and masks of every size have the numbers that Pillow gives them") {
    const Json cases = read_json("pictures.json").at("resized");
    REQUIRE(cases.size() > 10);
    for (const Json& given : cases) {
        CAPTURE(given.dump());
        const int width = given.at("after")[0], height = given.at("after")[1];
        const std::vector colour = {drawn(given.at("before")[0], given.at("before")[1], 3)};
        const std::vector grey = {drawn(given.at("before")[0], given.at("before")[1], 1)};
        const std::vector made = {pixels(colour, width, height), pixels(grey, width, height),
                                  narrow(mask_pixels(colour, width, height)), narrow(mask_pixels(grey, width, height))};
        for (std::size_t i = 0; i < made.size(); ++i) CHECK(sha256_of(made[i].bytes()) == given.at("sha256")[i]);
    }
}

TEST_CASE("pictures of several sizes become one array") {
    const std::vector images = {drawn(8, 8, 3), drawn(5, 9, 1)};
    const Array made = pixels(images, 8, 8);
    CHECK(made.shape() == Shape{2, 8, 8, 3});
    CHECK(std::ranges::equal(made.row(0).bytes(), images[0].pixels.bytes()));
    CHECK(mask_pixels(images, 8, 8).shape() == Shape{2, 1, 8, 8});
}

TEST_CASE("a mask is cut at half of white") {
    const std::vector masks = {Image::of(Array::of(std::span<const std::uint8_t>({{127, 128}}), {1, 2}))};
    const Array made = mask_pixels(masks, 2, 1);
    CHECK(made.as<float>()[0] == 0);
    CHECK(made.as<float>()[1] == 1);
}

TEST_CASE("a picture in grey has that grey in every colour, and no other luminance") {
    const Image grey = drawn(16, 16, 1);
    CHECK(std::ranges::equal(grey.rgb().grey().pixels.bytes(), grey.pixels.bytes()));
}

TEST_CASE("a picture turned twice stands as before") {
    const Image picture = drawn(5, 3, 3);
    for (const auto& [once, back] : {std::pair{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 8}, {7, 7}, {8, 6}}) {
        const Image there = turned(picture, once);
        CHECK(there.width() == (once >= 5 ? 3 : 5));
        CHECK(std::ranges::equal(turned(there, back).pixels.bytes(), picture.pixels.bytes()));
    }
}

TEST_CASE("pictures that are none or too large are refused in the words of the Python runtime") {
    CHECK_THROWS_WITH_AS(as_list({}), "Received no picture; expected one, or several of them.", UsageError);
    CHECK_THROWS_WITH_AS(
        check_pixels("The picture", 9400, 9400),
        "The picture has 9400x9400 pixels; expected at most 67108864, such as 8192x8192. Make it smaller first.",
        UsageError);
    CHECK_THROWS_WITH_AS(check_pixels("x", 0, 4), "x has 0x4 pixels; expected at least one.", UsageError);
    CHECK_NOTHROW(check_pixels("x", 8192, 8192));
    CHECK_THROWS_AS(Image::of(Array(DType::float32, {2, 2, 3})), std::invalid_argument);
    CHECK_THROWS_AS(Image::of(Array(DType::uint8, {2, 2, 4})), std::invalid_argument);
}
