// Manifests, good and bad: what Python says of them, word by word.

#include "../asking.h"
#include "bundle/manifest.h"
#include "vocabulary/json_reading.h"

using namespace latentlink;

namespace {

// The value at a path of keys and numbers.
Json& place(Json& whole, const Json& keys, std::size_t count) {
    Json* value = &whole;
    for (std::size_t number = 0; number < count; ++number) {
        const Json& key = keys[number];
        value = key.is_string() ? &(*value)[key.get<std::string>()] : &(*value)[key.get<std::size_t>()];
    }
    return *value;
}

Json value_of(const Json& edit) {
    const Json value = parse_json(edit[1].get<std::string>(), {.keys_once = true, .constants = true});
    return edit.size() < 3 ? value : Json(edit[2].get<std::size_t>(), value);
}

Json edited(Json whole, const Json& edits) {
    for (const Json& edit : edits) {
        const Json keys = parse_json(edit[0].get<std::string>());
        if (edit.size() > 1) {
            place(whole, keys, keys.size()) = value_of(edit);
        } else {
            place(whole, keys, keys.size() - 1).erase(keys.back().get<std::string>());
        }
    }
    return whole;
}

// Equal in any order of keys.
bool equal(const Json& one, const Json& other) { return nlohmann::json(one) == nlohmann::json(other); }

Json whole() { return read_json("manifests.json").at("whole"); }

}  // namespace

TEST_CASE("manifests are read and refused as Python does") {
    const Json vectors = read_json("manifests.json");
    CHECK(vectors.at("manifests").size() > 130);
    for (const Json& question : vectors.at("manifests")) {
        CAPTURE(question.at("name").dump());
        const Json given = edited(vectors.at("whole"), question.at("edits"));
        const Json found = answer_of([&] { return Manifest::from_json(given).to_json(); });
        if (found.contains("answer")) {
            CHECK(question.contains("answer"));
            if (question.contains("answer")) CHECK(equal(found.at("answer"), question.at("answer")));
        } else {
            CHECK(found.value("message", "") == question.value("message", "accepted"));
            CHECK(found.value("remedy", "") == question.value("remedy", ""));
            CHECK(found.value("status", 0) == question.value("status", 0));
        }
    }
}

TEST_CASE("a manifest has what was read") {
    const Manifest manifest = Manifest::from_json(whole());
    CHECK(manifest.name == "small");
    CHECK(manifest.spaces.at(0).name == "sd");
    const ComponentEntry& encoder = manifest.components.at("text_encoder");
    CHECK(encoder.tokenizer.value().max_length == 77);
    CHECK(encoder.tokenizer.value().vectors.at("<cat-toy>") == 3);
    CHECK(encoder.engines.at(0).fingerprint.at("features") == Json({"avx2", "fma"}));
    CHECK(manifest.components.at("denoiser").inputs.size() == 4);
    CHECK(manifest.sampling.guidance == 7.5);
    CHECK(manifest.files.size() == 4);
}

TEST_CASE("bytes that are no manifest are refused") {
    const std::string good = whole().dump();
    CHECK(Manifest::from_bytes(good).name == "small");
    const auto message = [](const std::string& bytes) {
        return answer_of([&] { return Manifest::from_bytes(bytes).to_json(); }).value("message", "accepted");
    };
    CHECK(message("{") ==
          "manifest.json: received text that is no UTF-8 JSON (Expecting property name enclosed in double quotes: line "
          "1 column 2 (char 1)), expected an object.");
    CHECK(message("{\"a\":1,\"a\":2}") ==
          "manifest.json: received 'a', expected every key once, but it is there twice.");
    CHECK(message("NaN") == "manifest.json: received NaN, expected finite numbers.");
    CHECK(message(std::string(1'000'000, '[')) ==
          "manifest.json: received values nested without end, expected flat records.");
    CHECK(message(good + std::string(4 << 20, ' ')) ==
          "manifest.json: received " + std::to_string(good.size() + (4 << 20)) + " bytes, expected at most 4194304.");
    CHECK(message("[" + std::string(600, '[') + std::string(600, ']') + "]").find("nested deeper than 16") !=
          std::string::npos);
}

TEST_CASE("a million values are refused at once") {
    Json record = whole();
    record["spaces"] = Json(1'000'000, Json::array());
    CHECK_THROWS_WITH_AS(
        Manifest::from_json(record),
        "manifest.json: received more than 250000 values, expected fewer. Get the bundle again, or build it again: "
        "latentlink build EXPORTED BUNDLE.",
        BundleError);
}

TEST_CASE("engines belong to the ports of their component, and to one graph") {
    ComponentEntry entry = Manifest::from_json(whole()).components.at("vae_decoder");
    const std::string ports = ports_digest(entry.inputs, entry.outputs);
    entry.engines.push_back(entry.engines.at(0));
    entry.engines[0].fingerprint["ports"] = ports;
    CHECK_NOTHROW(entry.check_fingerprints());
    entry.engines[1].fingerprint["ports"] = "00000000";
    CHECK(answer_of([&] { return entry.check_fingerprints(), Json(); }).at("message") ==
          "manifest.json, engines[1].fingerprint.ports: received '00000000', expected " + ports +
              ", the digest of the component's ports.");
    entry.engines[1].fingerprint = {{"source", Json::array({"b"})}};
    entry.engines[0].fingerprint = {{"source", Json::array({"a"})}};
    CHECK(answer_of([&] { return entry.check_fingerprints(), Json(); }).at("message") ==
          "manifest.json, engines[1].fingerprint.source: received ('b',), expected ('a',), as in the other float32 "
          "engine.");
    entry.engines[1].precision = "float16";
    CHECK_NOTHROW(entry.check_fingerprints());
}
