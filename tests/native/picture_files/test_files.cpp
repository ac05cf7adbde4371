// Picture files by anyone: the pixels that Pillow makes of them, what they say, and which are refused.

#include <doctest/doctest.h>

#include "../vectors.h"
#include "temporary.h"
#include "picture_files/reading.h"
#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/sha256.h"

using namespace latentlink;

namespace {

std::string from_base64(const std::string& text) {
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char one : text) {
        if (one == '=') break;
        bits = bits << 6 | static_cast<std::uint32_t>(digits.find(one));
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>(bits >> count & 0xFF);
    }
    return bytes;
}

Json pixels_of(const std::filesystem::path& path) {
    const Image image = read_picture(path);
    return {{"size", {image.width(), image.height()}},
            {"sha256", {sha256_of(image.rgb().pixels.bytes()), sha256_of(image.grey().pixels.bytes())}}};
}

Json says(const std::filesystem::path& path) {
    const PictureFile file = read_picture_file(path);
    return {
        {"format", file.format}, {"size", {file.width, file.height}}, {"text", file.text ? Json(*file.text) : Json()}};
}

// The answer, or the sentence of a file that is refused.
template <typename Ask>
Json tried(Ask ask, const std::filesystem::path& path) {
    try {
        return ask(path);
    } catch (const UsageError& error) {
        std::string sentence = error.message();
        CHECK(sentence.find('\n') == std::string::npos);
        CHECK(sentence.size() < 500);
        const std::size_t at = sentence.find(path.string());
        REQUIRE(at != std::string::npos);
        return sentence.replace(at, path.string().size(), "FILE");
    }
}

// Where Pillow gave the reason, Python's answer is null: any sentence is right here.
void check(const Json& answer, const Json& expected) {
    if (expected.is_null()) {
        CHECK(answer.is_string());
    } else {
        CHECK(answer == expected);
    }
}

}  // namespace

TEST_CASE("every file has the pixels and the texts that the Python runtime reads, or is refused by both") {
    const TemporaryFolder folder;
    const Json files = read_json("pictures.json").at("files");
    REQUIRE(files.size() > 150);
    for (std::size_t i = 0; i < files.size(); ++i) {
        const Json& given = files[i];
        CAPTURE(given.at("name"));
        const auto path = folder / std::to_string(i);
        write_file(path, from_base64(given.at("file")));
        check(tried(pixels_of, path), given.at("picture"));
        check(tried(says, path), given.at("says"));
    }
}

TEST_CASE("a file of a format that only Python reads is refused by name, with what reads it") {
    const TemporaryFolder folder;
    for (const auto& [head, name] :
         std::initializer_list<std::pair<std::string, std::string>>{{std::string("RIFF\x24\0\0\0WEBPVP8 ", 16), "WebP"},
                                                                    {"GIF89a", "GIF"},
                                                                    {"BM", "BMP"},
                                                                    {"P6 1 1", "PPM"},
                                                                    {std::string("II*\0", 4), "TIFF"},
                                                                    {std::string("\0\0\0\x20"
                                                                                 "ftypavif",
                                                                                 12),
                                                                     "AVIF"}}) {
        const auto path = folder / name;
        write_file(path, head);
        CHECK_THROWS_WITH_AS(read_picture(path),
                             doctest::Contains(("is of the format " + name + "; expected PNG or JPEG").c_str()),
                             UsageError);
    }
}

TEST_CASE("what is no file is refused before it is opened") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH_AS(read_picture(folder / "none.png"), doctest::Contains("There is no file"), UsageError);
    CHECK_THROWS_WITH_AS(read_picture_file(folder / "."), doctest::Contains("is a folder; expected a picture."),
                         UsageError);
}
