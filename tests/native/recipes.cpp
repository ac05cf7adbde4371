#include "recipes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace latentlink {

std::vector<std::uint32_t> words(std::uint32_t seed, std::size_t count) {
    std::vector<std::uint32_t> made(count);
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t mixed = static_cast<std::uint32_t>(i) + seed * 0x9E3779B9U;
        mixed = (mixed ^ (mixed >> 16)) * 0x7FEB352DU;
        mixed = (mixed ^ (mixed >> 15)) * 0x846CA68BU;
        made[i] = mixed ^ (mixed >> 16);
    }
    return made;
}

Array picture_of(const Json& recipe) {
    const auto height = recipe.at("size").at(0).get<std::int64_t>(),
               width = recipe.at("size").at(1).get<std::int64_t>();
    const bool grey = recipe.at("grey");
    const auto drawn = words(recipe.at("seed"), static_cast<std::size_t>(height * width * (grey ? 1 : 3)));
    Array made(DType::uint8, {height, width, 3});
    auto into = made.as<std::uint8_t>().begin();
    for (std::int64_t y = 0; y < height; ++y) {
        for (std::int64_t x = 0; x < width; ++x) {
            for (std::int64_t colour = 0; colour < 3; ++colour) {
                const auto of = [&](const char* key) {
                    return recipe.at(key).at(static_cast<std::size_t>(colour)).get<std::int64_t>();
                };
                const std::int64_t place = y * width + x;
                const std::int64_t number = drawn[static_cast<std::size_t>(grey ? place : place * 3 + colour)] >> 24;
                std::int64_t value = of("base") + of("slope") * (y + x) + (of("amplitude") * number >> 8);
                if (recipe.contains("inside") && y > 0 && x > 0 && recipe.at("inside").at(0) == colour) {
                    value = recipe.at("inside").at(1);
                }
                *into++ = static_cast<std::uint8_t>(std::clamp<std::int64_t>(value, 0, 255));
            }
        }
    }
    return made;
}

Array latent_of(const Json& recipe) {
    Array made(DType::float32, recipe.at("shape").get<Shape>());
    const auto numbers = made.as<float>();
    const auto drawn = words(recipe.at("seed"), numbers.size());
    const std::size_t cells = numbers.size() / static_cast<std::size_t>(made.size(0));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const double uniform = (drawn[i] >> 8) / 0x1p23 - 1;
        const auto scale = recipe.at("scale").at(i / cells).get<double>();
        numbers[i] = static_cast<float>(recipe.at("offset").at(i / cells).get<double>() + scale * uniform);
    }
    constexpr float INFINITE = std::numeric_limits<float>::infinity();
    for (const Json& special : recipe.value("special", Json::array())) {
        const std::string name = special.at(1);
        numbers[special.at(0).get<std::size_t>()] = name == "nan"   ? std::nanf("")
                                                    : name == "inf" ? INFINITE
                                                                    : -INFINITE;
    }
    return made.to(recipe.at("dtype") == "float16" ? DType::float16 : DType::float32);
}

Array latents_of(const Json& recipes) {
    std::vector<Array> rows;
    for (const Json& recipe : recipes) rows.push_back(latent_of(recipe));
    return stack(rows);
}

}  // namespace latentlink
