// The walk over ONNX bytes finds the names that Python's finds, and refuses the same files.

#include <unistd.h>

#include "../asking.h"
#include "../temporary.h"
#include "bundle/onnx_locations.h"

using namespace latentlink;

TEST_CASE("names in ONNX files are found, and bad files refused, as Python does") {
    const TemporaryFolder folder;
    const Json questions = read_json("manifests.json").at("locations");
    CHECK(questions.size() > 25);
    for (const Json& question : questions) {
        CAPTURE(question.dump());
        const auto path = folder.file("model.onnx", from_hex(question.at("bytes")));
        try {
            Json names = Json::array();
            for (const std::string& name : external_locations(path)) {
                std::string digits;
                for (const char c : name) {
                    constexpr std::string_view hex = "0123456789abcdef";
                    digits += {hex[static_cast<unsigned char>(c) >> 4], hex[static_cast<unsigned char>(c) & 15]};
                }
                names.push_back(digits);
            }
            CHECK(names.dump() == question.value("answer", Json("refused")).dump());
        } catch (const BundleError& error) {
            const std::string told = error.message();
            CHECK(told.starts_with(path.string()));
            CHECK("FILE" + told.substr(path.string().size()) == question.value("message", "accepted"));
        }
    }
}

TEST_CASE("weights are not read") {
    const TemporaryFolder folder;
    const std::string head("\x3a\x8b\x80\x80\x80\x04\x2a\x85\x80\x80\x80\x04\x4a\xff\xff\xff\xff\x03", 18);
    const auto path = folder.file("model.onnx", head);
    REQUIRE(::truncate(path.c_str(), 18 + (1 << 30) - 1) == 0);
    CHECK(external_locations(path).empty());
}

TEST_CASE("too many fields are refused") {
    const TemporaryFolder folder;
    std::string fields;
    for (int number = 0; number < 20'000'001; ++number) fields += "\x08\x01";
    const auto path = folder.file("model.onnx", fields);
    CHECK_THROWS_WITH_AS(external_locations(path), doctest::Contains("it has more than 20000000 fields"), BundleError);
}
