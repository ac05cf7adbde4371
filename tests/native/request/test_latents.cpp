// Latents as files: what Python writes is read back, and what it refuses is refused in the same words.

#include "../asking.h"
#include "../temporary.h"
#include "request/latents.h"

using namespace latentlink;

namespace {

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    for (std::size_t at; (at = text.find(what)) != std::string::npos;) text.replace(at, what.size(), with);
    return text;
}

Json level_of(const Latents& latents) {
    return latents.level ? Json::array({latents.level->signal, latents.level->noise}) : Json();
}

}  // namespace

TEST_CASE("files of latents are read and refused as Python does") {
    const TemporaryFolder folder;
    const Json questions = read_json("tensor_files.json").at("latents");
    CHECK(questions.size() > 50);
    int same = 0;  // files that this runtime would write byte by byte as they are
    for (const Json& question : questions) {
        CAPTURE(question.dump());
        const std::string bytes = from_hex(question.at("bytes"));
        const auto path = folder.file("a", bytes);
        std::optional<LatentSpace> space;
        if (!question.at("space").is_null()) space = *known_space(question.at("space").get<std::string>());
        Json found = answer_of([&] {
            const Latents read = Latents::load(path, space);
            if (read.to_bytes() == bytes) ++same;
            return Json{{"symbol", read.symbol()}, {"shape", read.array.shape()}, {"level", level_of(read)}};
        });
        if (found.contains("message")) {
            found["message"] = replaced(found["message"].get<std::string>(), path.string(), "FILE");
        }
        check_same(question, found);
    }
    CHECK(same == 5);
}

TEST_CASE("what is written is read back") {
    const TemporaryFolder folder;
    const Array array = Array::of<float>(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, {1, 4, 1, 2});
    for (const std::optional<Level> level :
         {std::optional(CLEAN), std::optional(Level{0.6, 0.8}), std::optional<Level>()}) {
        const Latents written = Latents::checked({.array = array, .space = *known_space("movq"), .level = level});
        written.save(folder / "a.safetensors");
        const Latents read = Latents::load(folder / "a.safetensors");
        CHECK(level_of(read) == level_of(written));
        CHECK(read.space == written.space);
        CHECK(read.half_way() == (level && level->noise > 0));
        CHECK(std::ranges::equal(read.array.as<float>(), array.as<float>()));
    }
}

TEST_CASE("an array that is no latent of its space is refused") {
    const LatentSpace& space = *known_space("movq");
    for (const Shape& shape : {Shape{4, 3, 5}, Shape{1, 16, 3, 5}, Shape{0, 4, 3, 5}, Shape{1, 4, 0, 5}}) {
        CHECK_THROWS_AS(Latents::checked({.array = Array(DType::float32, shape), .space = space}), UsageError);
    }
    CHECK_THROWS_AS(Latents::checked({.array = Array(DType::bfloat16, {1, 4, 2, 2}), .space = space}), UsageError);
    CHECK_THROWS_WITH_AS(
        Latents::checked({.array = Array(DType::float32, {1, 4, 2, 2}), .space = space, .level = Level{0, 0}}),
        "The noise level of the latents is (0.0, 0.0); expected (signal, noise), two finite numbers from 0, not both "
        "0, "
        "or None.",
        UsageError);
}

TEST_CASE("latents of another space, or of no numbers, are not taken") {
    Latents latents{.array = Array(DType::float32, {1, 4, 2, 2}), .space = *known_space("movq")};
    CHECK(&check_latents(latents, *known_space("movq"), "demo") == &latents);
    LatentSpace other = *known_space("movq");
    other.scaling = 0.5;
    CHECK_THROWS_WITH_AS(
        check_latents(latents, other, "demo"),
        "demo reads latent space \"movq\" (4 channels, /8, scaling 0.5), but these latents are of \"movq\" "
        "(4 channels, /8, scaling 1), which differs in scaling. Move them over, with a bundle of space "
        "\"movq\" as BUNDLE: latentlink transfer LATENTS --from BUNDLE --to demo -o OUT.",
        LinkError);
    latents.level = Level{0.6, 0.8};
    latents.file = "a.safetensors";
    CHECK_THROWS_WITH_AS(
        check_latents(latents, other, "demo"),
        "demo reads latent space \"movq\" (4 channels, /8, scaling 0.5), but a.safetensors is of \"movq\" "
        "(4 channels, /8, scaling 1), which differs in scaling. They are half way and cannot be moved: "
        "finish them with a bundle of space \"movq\".",
        LinkError);
    latents.array.as<float>()[3] = INFINITY;
    CHECK_THROWS_WITH_AS(check_latents(latents, latents.space, "demo"),
                         "The latents hold 1 values that are not finite; expected numbers.", UsageError);
}
