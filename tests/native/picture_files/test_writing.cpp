// Files that are written: they are read back, here and by Python, with what they say.

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "../vectors.h"
#include "drawn.h"
#include "temporary.h"
#include "picture_files/reading.h"
#include "picture_files/record_reader.h"
#include "picture_files/started_from.h"
#include "picture_files/writing.h"
#include "request/inputs.h"
#include "request/resolved.h"
#include "vocabulary/errors.h"
#include "vocabulary/sha256.h"

using namespace latentlink;

namespace {

std::vector<Record> records() {
    const Json vectors = read_json("picture_records.json");
    std::vector<Record> made;
    for (const Json& one : vectors.at("records")) {
        made.push_back(read_record(one.at("text").get<std::string>()));
    }
    return made;
}

Request request(int number, const std::string& prompt) {
    Request made;
    made.prompt = prompt;
    made.negative_prompt = "";
    made.seed = {7};
    made.batch_seed = true;
    made.number = number;
    made.guidance = number;
    made.sampler = "euler";
    made.guidance_interval = Interval{0.5, std::numeric_limits<double>::infinity()};
    made.conditions["size"] = {{64, 48}, {0, 0}};
    return made;
}

}  // namespace

TEST_CASE("a picture is read back with its pixels and all that it says") {
    const TemporaryFolder folder;
    const std::vector all = records();
    const std::vector images(all.size(), drawn(13, 9, 3));
    const Saved saved = save_pictures(images, folder / "x.png", all);
    REQUIRE(saved.files.size() == all.size());
    CHECK(saved.left_out.empty());
    for (std::size_t i = 0; i < all.size(); ++i) {
        CHECK(saved.files[i].filename() == "x-" + std::to_string(i + 1) + ".png");
        const PictureFile file = read_picture_file(saved.files[i]);
        REQUIRE(file.record);
        CHECK(file.record->to_text() == all[i].to_text());
        CHECK(std::ranges::equal(read_picture(saved.files[i]).pixels.bytes(), images[i].pixels.bytes()));
    }
}

TEST_CASE("grey and one pixel are pictures too, and equal pictures make equal files") {
    const TemporaryFolder folder;
    for (const Image& image : {drawn(5, 7, 1), drawn(1, 1, 3)}) {
        const auto file = save_pictures({&image, 1}, folder / "x.png").files.front();
        CHECK(std::ranges::equal(read_picture(file).pixels.bytes(), image.pixels.bytes()));
        CHECK(!read_picture_file(file).record);
        CHECK(picture_bytes(image).bytes == picture_bytes(image, ".png").bytes);
    }
}

TEST_CASE("a text that is too long is left out in one sentence, and the picture is written") {
    Record record = records().front();
    record.prompt = std::string(std::size_t{1} << 20, 'x');
    const Encoded file = picture_bytes(drawn(2, 2, 3), "PNG", &record);
    REQUIRE(file.left_out.size() == 2);
    CHECK(file.left_out[0].starts_with(
        "A picture: the record of how the picture was made is left out, so that inspect and "
        "--like do not find it: it takes "));
    CHECK(file.left_out[1].find(
              "the text of how the picture was made is left out, so that other programs do not find it") !=
          std::string::npos);
    CHECK(file.bytes.size() < 1000);
}

TEST_CASE("formats that only Python writes are refused with what writes them") {
    CHECK_THROWS_WITH_AS(picture_bytes(drawn(2, 2, 3), "WebP"),
                         doctest::Contains("latentlink for Python, which writes WebP"), UsageError);
    CHECK_THROWS_WITH_AS(picture_bytes(drawn(2, 2, 3), "xyz"), doctest::Contains("expected .png."), UsageError);
    CHECK_THROWS_WITH_AS(picture_bytes(drawn(2, 2, 3), "PNG", nullptr, 90),
                         doctest::Contains("quality is 90, but a PNG file has none."), UsageError);
    CHECK_THROWS_WITH_AS(picture_bytes(drawn(2, 2, 3), "PNG", nullptr, 0),
                         doctest::Contains("whole number from 1 to 100"), UsageError);
}

TEST_CASE("the record of a request has its settings in their order, and its batch") {
    const std::vector requests = {request(1, "a"), request(2, "a"), request(3, "b"), request(4, "b")};
    const Record record = record_of(requests[1], requests, Origin{.name = "m", .family = "f"}, {});
    std::vector<std::string> names;
    for (const auto& [name, value] : record.options.items()) names.push_back(name);
    CHECK(names == std::vector<std::string>{"negative_prompt", "seed", "steps", "guidance", "guidance_interval",
                                            "step_cache", "sampler", "width", "height", "noise", "conditions"});
    REQUIRE(record.batch);
    CHECK(record.batch->prompts == std::vector<std::string>{"a", "b"});
    CHECK(record.batch->number == 2);
    CHECK(record.batch->guidance == std::vector<double>{1, 2, 3, 4});
    CHECK(record.to_text().find(R"("guidance_interval":[0.5,"inf"])") != std::string::npos);
    CHECK(record.to_text().find(R"("conditions":{"size":[64.0,48.0],"negative_size":[0.0,0.0]})") != std::string::npos);
    CHECK(record_of(requests[1], requests, {}, {{"image", {"x"}}}).options.contains("strength"));
}

TEST_CASE("each picture knows the hash of what it started from") {
    Inputs inputs;
    inputs.images = {drawn(4, 4, 1), drawn(4, 4, 3)};
    inputs.masks = {drawn(4, 4, 3)};
    const auto own = hashes_of(inputs, 4, false);
    REQUIRE(own.size() == 4);
    CHECK(own[1] == StartedFrom{{"image", {sha256_of(inputs.images[0].rgb().pixels.bytes())}},
                                {"mask", {sha256_of(inputs.masks[0].grey().pixels.bytes())}}});
    CHECK(own[2][0].second[0] == sha256_of(inputs.images[1].pixels.bytes()));
    const auto together = hashes_of(inputs, 2, true);
    CHECK(together[0] == together[1]);
    CHECK(together[0][0].second.size() == 2);
    CHECK(hashes_of({}, 2, false) == std::vector<StartedFrom>(2));
}
