// Pictures are cut, blended and kept within a budget as by the Python runtime.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "recipes.h"
#include "vae/budget.h"
#include "vae/square_root.h"
#include "vae/tiling.h"
#include "vae/tones.h"
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

Json parts_of(const Axis& axis) { return {axis.length, axis.tile, axis.starts, axis.together}; }

Json parts_of(const std::optional<Mosaic>& mosaic) {
    return mosaic ? Json{parts_of(mosaic->rows), parts_of(mosaic->columns)} : Json();
}

std::string digest_of_bytes(const Array& array) { return sha256_of(array.bytes()); }

// `[C, h, w]` of float32 as `[h, w, C]`.
Array cells_last(const Array& latent) {
    Array made(DType::float32, {latent.size(1), latent.size(2), latent.size(0)});
    const auto cells = static_cast<std::size_t>(latent.size(1) * latent.size(2));
    const auto channels = static_cast<std::size_t>(latent.size(0));
    for (std::size_t cell = 0; cell < cells; ++cell) {
        for (std::size_t channel = 0; channel < channels; ++channel) {
            made.as<float>()[cell * channels + channel] = latent.as<float>()[channel * cells + cell];
        }
    }
    return made;
}

Array rounded(const Array& numbers) {
    Array made(DType::uint8, numbers.shape());
    std::ranges::transform(numbers.as<float>(), made.as<std::uint8_t>().begin(), [](float number) {
        return static_cast<std::uint8_t>(std::clamp(std::nearbyint(number), 0.0F, 255.0F));
    });
    return made;
}

}  // namespace

TEST_CASE("a side is cut into Python's tiles, which have its weights to the last bit") {
    for (const Json& given : vectors().at("cuts")) {
        CAPTURE(given.dump());
        const Axis axis = cut(given.at("length"), given.at("canvas"));
        CHECK(parts_of(axis) == given.at("axis"));
        CHECK(digest_of_bytes(axis.weights(given.at("scale"))) == given.at("weights"));
    }
}

TEST_CASE("a picture is cut into Python's passes") {
    for (const Json& given : vectors().at("fits")) {
        CAPTURE(given.dump());
        const Json& limits = given.at("limits");
        const auto mosaic = fit(given.at("height"), given.at("width"), given.at("cells"),
                                {.least_height = limits.at(0).at(0),
                                 .most_height = limits.at(0).at(1),
                                 .least_width = limits.at(1).at(0),
                                 .most_width = limits.at(1).at(1)});
        CHECK(parts_of(mosaic) == given.at("mosaic"));
    }
}

TEST_CASE("tiles that leave a gap and canvases without room for one are refused in Python's words") {
    for (const Json& given : vectors().at("refused")) {
        CAPTURE(given.dump());
        const auto ask = [&given] {
            if (given.contains("cut")) {
                cut(given.at("cut").at(0), given.at("cut").at(1));
            } else {
                const Json& axis = given.at("axis");
                Axis::checked({.length = axis.at(0),
                               .tile = axis.at(1),
                               .starts = axis.at(2).get<std::vector<std::int64_t>>(),
                               .together = axis.at(3)});
            }
        };
        CHECK_THROWS_WITH_AS(ask(), given.at("message").get<std::string>().c_str(), UsageError);
    }
}

TEST_CASE("passes of different tones are blended into Python's picture") {
    for (const Json& given : vectors().at("blends")) {
        CAPTURE(given.dump());
        const Array cells = cells_last(latent_of(given.at("latent")));
        const Mosaic mosaic = {.rows = cut(cells.size(0), given.at("canvas").at(0)),
                               .columns = cut(cells.size(1), given.at("canvas").at(1))};
        CHECK(mosaic.passes() == given.at("passes"));
        int number = 0;
        const auto run = [&number](std::span<const Array> inputs) {
            return double_decoded(inputs[0], number++ * 7 % 23);
        };
        const Array made = in_passes(run, std::span(&cells, 1), mosaic);
        CHECK(digest_of_bytes(rounded(made)) == given.at("picture"));
        double sum = 0, squares = 0;
        for (const float one : made.as<float>()) {
            sum += static_cast<double>(one);
            squares += static_cast<double>(one) * static_cast<double>(one);
        }
        CHECK(sum == doctest::Approx(given.at("sum").get<double>()).epsilon(1e-10));
        CHECK(squares == doctest::Approx(given.at("squares").get<double>()).epsilon(1e-10));
    }
}

TEST_CASE("a pass of another size than its canvas is a programming error, not a wrong picture") {
    const Array cells(DType::float32, {40, 40, 1});
    const Mosaic mosaic = {.rows = cut(40, 16), .columns = cut(40, 16)};
    int number = 0;
    const auto run = [&number](std::span<const Array> inputs) {
        const std::int64_t side = inputs[0].size(0) + (number++ == 1 ? 1 : 0);
        return Array(DType::float32, {side, side, 1});
    };
    CHECK_THROWS_AS(in_passes(run, std::span(&cells, 1), mosaic), std::invalid_argument);
}

TEST_CASE("offsets solve the least squares of two and of three tiles in a row") {
    // two tiles, gap g: t0 - t1 = g beside 0.2*t = 0 gives t0 = g / (2 + 0.04)
    const auto two = tones(std::vector<Neighbours>{{0, 1, 5}}, 2);
    CHECK(two[0] == doctest::Approx(5 / 2.04).epsilon(1e-14));
    CHECK(two[1] == doctest::Approx(-5 / 2.04).epsilon(1e-14));
    // three, gaps g and g: the middle one stays
    const auto three = tones(std::vector<Neighbours>{{0, 1, 5}, {1, 2, 5}}, 3);
    CHECK(three[0] == doctest::Approx(5 / 1.04).epsilon(1e-14));
    CHECK(three[1] == doctest::Approx(0));
    CHECK(tones({}, 2) == std::vector<double>{0, 0});
}

TEST_CASE("the offsets of a large grid satisfy their equations") {
    constexpr std::size_t SIDE = 100;
    std::vector<Neighbours> neighbours;
    const auto gaps = words(1, 2 * SIDE * SIDE);
    for (std::size_t row = 0; row < SIDE; ++row) {
        for (std::size_t column = 0; column < SIDE; ++column) {
            const std::size_t tile = row * SIDE + column;
            if (row + 1 < SIDE) neighbours.push_back({tile, tile + SIDE, (gaps[2 * tile] >> 8) / 0x1p20});
            if (column + 1 < SIDE) neighbours.push_back({tile, tile + 1, (gaps[2 * tile + 1] >> 8) / 0x1p20});
        }
    }
    const auto found = tones(neighbours, SIDE * SIDE);
    std::vector<double> rest(SIDE * SIDE);
    for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = -0.04 * found[i];
    for (const auto& [tile, after, gap] : neighbours) {
        rest[tile] -= found[tile] - found[after] - gap;
        rest[after] += found[tile] - found[after] - gap;
    }
    const double worst = *std::ranges::max_element(rest, {}, [](double one) { return std::abs(one); });
    CHECK(std::abs(worst) < 1e-11);  // of gaps up to 16
}

TEST_CASE("the same canvases are tried for a budget as in Python, and as many cells fit") {
    for (const Json& given : vectors().at("budgets")) {
        CAPTURE(given.dump());
        std::vector<std::int64_t> tried;
        const std::int64_t linear = given.at("linear"), square = given.at("square"), most = given.at("most");
        const auto probe = [&](std::int64_t side) -> Measured {
            tried.push_back(side);
            const std::int64_t cells = std::min(side, most) * std::min(side, most);
            return {cells, linear * cells + square * cells * cells};
        };
        const Room room = largest(probe, given.at("budget"), SMALLEST, given.at("wanted"));
        CHECK(Json(tried) == given.at("tried"));
        CHECK(room.cells == given.at("cells"));
        CHECK(room.needed == given.at("needed"));
    }
}

TEST_CASE("memory is predicted to grow as in Python") {
    for (const Json& given : vectors().at("growths")) {
        CAPTURE(given.dump());
        std::vector<Measured> measured;
        for (const Json& one : given.at("measured")) measured.push_back({one.at(0), one.at(1)});
        const auto grows = growth(measured);
        for (const Json& point : given.at("bytes")) CHECK(grows(point.at(0)) == point.at(1).get<double>());
    }
}

TEST_CASE("roots of whole numbers are exact where a double is not") {
    for (const std::int64_t root : {std::int64_t{0}, std::int64_t{1}, std::int64_t{8}, (std::int64_t{1} << 30) - 1}) {
        CHECK(square_root(root * root) == root);
        CHECK(square_root((root + 1) * (root + 1) - 1) == root);
    }
    CHECK(square_root(std::int64_t{1} << 60) == std::int64_t{1} << 30);
}

TEST_CASE("a peak is seen after its memory was given back") {
    const std::int64_t before = resident_bytes();
    const std::int64_t peak = peak_of([] {
        Array array(DType::uint8, {40'000'000});
        std::ranges::fill(array.as<std::uint8_t>(), std::uint8_t{1});
        CHECK(array.clone().as<std::uint8_t>().back() == 1);
    });
    CHECK(peak - before > 36'000'000);  // the copy may take memory that was kept from earlier work
#ifndef LATENTLINK_SANITIZED             // sanitizers keep freed memory for a while
    CHECK(resident_bytes() - before < 8'000'000);
#endif
}
