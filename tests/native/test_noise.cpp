// Noise: the Python runtime's stream number by number, and Philox's published answers.

#include <doctest/doctest.h>

#include <algorithm>

#include "samplers/noise.h"
#include "vectors.h"

using namespace latentlink;

namespace {

// A seed below 0 stands for its lowest 64 bits.
std::uint64_t seed_of(const Json& seed) {
    return seed.is_number_unsigned() ? seed.get<std::uint64_t>() : static_cast<std::uint64_t>(seed.get<std::int64_t>());
}

}  // namespace

TEST_CASE("noise has the bits of the Python runtime's, call after call") {
    const auto expected = read_tensor<float>("noise.safetensors", "noise");
    std::size_t at = 0;
    const Json cases = read_json("noise.json").at("cases");
    for (const Json& given : cases) {
        CAPTURE(given.dump());
        const auto source = noise_source(given.at("noise").get<std::string>(), seed_of(given.at("seed")));
        for (const std::size_t size : given.at("sizes").get<std::vector<std::size_t>>()) {
            std::vector<float> drawn(size);
            source->normal(drawn);
            REQUIRE(at + size <= expected.size());
            CHECK(std::equal(drawn.begin(), drawn.end(), expected.begin() + static_cast<std::ptrdiff_t>(at)));
            at += size;
        }
    }
    CHECK(at == expected.size());
}

TEST_CASE("Philox gives the answers that its authors published") {
    // kat_vectors of Random123, philox4x32 with 10 rounds
    using Words = std::array<std::uint32_t, 4>;
    CHECK(philox4x32({0, 0, 0, 0}, 0) == Words{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8});
    CHECK(philox4x32({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, 0xFFFFFFFFFFFFFFFF) ==
          Words{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD});
    CHECK(philox4x32({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, 0x299F31D0A4093822) ==
          Words{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1});
}
