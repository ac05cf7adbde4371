// Files of tensors: what the format's own library takes is taken, and what it refuses is refused in its words.

#include "../asking.h"
#include "../temporary.h"
#include "vocabulary/safetensors.h"

using namespace latentlink;

namespace {

// The error without what a JSON parser says, which is each parser's own.
std::string without_parser(std::string words) {
    const std::size_t at = words.find("invalid JSON in header");
    return at == std::string::npos ? words : words.substr(0, at) + "no JSON";
}

Json read(const std::filesystem::path& path) {
    try {
        const SafetensorsFile file(path);
        Json tensors = Json::object();
        for (const auto& [name, info] : file.tensors()) {
            Json shape = Json::array({info.type});
            for (const std::int64_t size : info.shape) shape.push_back(size);
            tensors[name] = shape;
            if (info.dtype()) CHECK(file.tensor(name).shape() == info.shape);
            if (!info.dtype()) CHECK_THROWS_AS(file.tensor(name), SafetensorError);
        }
        CHECK_THROWS_AS(file.tensor("no such tensor"), SafetensorError);
        return {{"answer", {{"tensors", tensors}, {"metadata", file.metadata()}}}};
    } catch (const SafetensorError& error) {
        return {{"message", without_parser(error.message())}};
    }
}

}  // namespace

TEST_CASE("files are taken and refused as the format's own library does") {
    const TemporaryFolder folder;
    const Json questions = read_json("tensor_files.json").at("tensors");
    CHECK(questions.size() > 80);
    for (const Json& question : questions) {
        CAPTURE(question.dump());
        const Json found = read(folder.file("a", from_hex(question.at("bytes"))));
        check_same(question, found);
    }
}

TEST_CASE("a file is written as the format's own library writes it") {
    const std::string expected = from_hex(read_json("tensor_files.json").at("written"));
    const TemporaryFolder folder;
    const SafetensorsFile file(folder.file("a", expected));
    std::map<std::string, Array, std::less<>> tensors;
    for (const auto& [name, info] : file.tensors()) tensors.emplace(name, file.tensor(name));
    CHECK(tensors.size() == 6);
    CHECK(tensors.at("c").as<std::int64_t>()[2] == 2);
    CHECK(safetensors_bytes(tensors, file.metadata()) == expected);
}

TEST_CASE("a header has a limit that a reader may lower, and a file that was cut is refused") {
    const TemporaryFolder folder;
    const Array array = Array::of<float>(std::vector<float>(1000, 1.5F), {1000});
    const auto path = folder.file("a", safetensors_bytes({{"a", array}}));
    CHECK_THROWS_WITH_AS(SafetensorsFile(path, 8), "Error while deserializing header: header too large",
                         SafetensorError);
    const SafetensorsFile file(path);
    std::filesystem::resize_file(path, 500);
    CHECK_THROWS_WITH_AS(file.tensor("a"), "The file ends before its tensor `a` does", SafetensorError);
    CHECK_THROWS_AS(SafetensorsFile(folder / "no"), MachineError);
}
