// Answers what the native readers say of bundles, manifests and other untrusted files, for tests that ask both
// runtimes.
//
// Each line of standard input is a request, `{"reader": "bundle", "path": HEX, ...}`, and is answered by a line:
// `{"status": 0, "value": ...}`, or the status, message and remedy of the error. Paths and bytes are in hex digits.
#include <charconv>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>

#include "bundle/bundle.h"
#include "bundle/onnx_locations.h"
#include "bundle/probe_file.h"
#include "tokenizers/read.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/sha256.h"
#include "vocabulary/texts.h"

namespace {

using namespace latentlink;

std::string from_hex(const Json& text) {
    const auto& digits = text.get_ref<const std::string&>();
    std::string bytes;
    for (std::size_t place = 0; place + 1 < digits.size(); place += 2) {
        unsigned byte = 0;
        std::from_chars(digits.data() + place, digits.data() + place + 2, byte, 16);
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

std::string to_hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += {digits[byte >> 4], digits[byte & 15]};
    }
    return text;
}

Json read_bundle(const Json& request) {
    const Bundle bundle = Bundle::open(from_hex(request["path"]), request["check_files"].get<bool>());
    return {{"manifest", bundle.manifest.to_json()}, {"sha256", bundle.sha256 ? Json(*bundle.sha256) : Json()}};
}

Json read_manifest(const Json& request) { return Manifest::from_bytes(from_hex(request["bytes"])).to_json(); }

// A component's record, and whether its engines belong to its ports.
Json read_component(const Json& request) {
    ComponentEntry::from_json(parse_json(from_hex(request["bytes"]))).check_fingerprints();
    return nullptr;
}

Json read_locations(const Json& request) {
    Json names = Json::array();
    for (const std::string& name : external_locations(from_hex(request["path"]))) names.push_back(to_hex(name));
    return names;
}

std::vector<Port> ports_of(const Json& records) {
    std::vector<Port> ports;
    for (const Json& record : records) {
        std::vector<Dim> shape;
        for (const Json& dim : record["shape"]) {
            shape.push_back(dim.is_string() ? Dim(dim.get<std::string>()) : Dim(dim.get<std::int64_t>()));
        }
        ports.push_back(Port::parse(record["tensor"].get<std::string>(), shape));
    }
    return ports;
}

// Arrays as their shapes, and the SHA-256 of their bytes.
Json arrays_to_json(const Arrays& arrays) {
    Json shown = Json::object();
    for (const auto& [tensor, array] : arrays) shown[tensor] = {array.shape(), sha256_of(array.bytes())};
    return shown;
}

Json read_probe_file(const Json& request) {
    const Probes read =
        read_probes(from_hex(request["path"]), ports_of(request["inputs"]), ports_of(request["outputs"]));
    Json probes = Json::array();
    for (const Probe& probe : read.probes) {
        probes.push_back({{"name", probe.name},
                          {"inputs", arrays_to_json(probe.inputs)},
                          {"outputs", arrays_to_json(probe.outputs)},
                          {"strides", Json(probe.strides)},
                          {"prompt", probe.prompt ? Json(*probe.prompt) : Json()}});
    }
    return {
        {"reference", read.reference}, {"probes", probes}, {"training", repr(read.training ? *read.training : Json())}};
}

Json read_tokenizer_file(const Json& request) {
    read_tokenizer(from_hex(request["bytes"]));
    return nullptr;
}

// JSON as Python's `repr` shows it; every constant is a number, and the last of equal keys counts.
Json read_any_json(const Json& request) {
    try {
        return repr(parse_json(from_hex(request["bytes"]), {.keys_once = false, .constants = true}));
    } catch (const JsonError& error) {
        if (error.cause() == JsonError::Cause::nested) throw UsageError("nested");
        throw UsageError(error.detail());
    }
}

const std::map<std::string, Json (*)(const Json&), std::less<>> READERS = {
    {"bundle", read_bundle},       {"manifest", read_manifest}, {"component", read_component},
    {"locations", read_locations}, {"probes", read_probe_file}, {"tokenizer", read_tokenizer_file},
    {"json", read_any_json},
};

Json answer(const Json& request) {
    std::filesystem::current_path(from_hex(request["folder"]));
    try {
        return {{"status", 0}, {"value", READERS.at(request["reader"].get<std::string>())(request)}};
    } catch (const Error& error) {
        return {{"status", static_cast<int>(error.status())}, {"message", error.message()}, {"remedy", error.remedy()}};
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        std::cout << answer(Json::parse(line)).dump(-1, ' ', true, Json::error_handler_t::replace) << std::endl;
    }
}
