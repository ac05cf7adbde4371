#include "bundle/engine_entry.h"

#include <array>
#include <limits>

#include "bundle/paths.h"
#include "bundle/record_checks.h"
#include "quality/gate.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr double ANY = -std::numeric_limits<double>::infinity();

// By targets, the end of an engine's path and the format that it stands for. A reader searches `.onnx` files alone for
// weights outside the bundle, and OpenVINO also reads other formats, which may name files (docs/bundle-format.md).
struct FileFormat {
    bool (*is_read_by)(std::string_view target);
    std::string_view suffix, name;
};

constexpr std::array<FileFormat, 2> FILE_FORMATS = {{
    {[](std::string_view target) { return target == EXPORTED || target.starts_with("ort-"); }, ".onnx", "ONNX"},
    {[](std::string_view target) { return target.starts_with("openvino-"); }, ".xml", "OpenVINO IR"},
}};

void check_format(const EngineEntry& entry) {
    for (const FileFormat& format : FILE_FORMATS) {
        if (format.is_read_by(entry.target) && !entry.path.ends_with(format.suffix)) {
            throw unexpected("path", entry.path,
                             "a file that ends in " + std::string(format.suffix) + ", as target " + entry.target +
                                 " reads " + std::string(format.name));
        }
    }
}

Fact fact(const std::string& key, const Json& value) {
    if (value.is_array()) {
        for (const Json& item : list_of(key, value, 1024)) check_text(key, item);
    } else if (value.is_string()) {
        check_text(key, value);
    } else if (value.is_number_integer() || value.is_binary()) {
        check_int(key, value, -MAX_INT, MAX_INT);
    } else if (!value.is_null() && !value.is_boolean()) {
        throw unexpected(key, value, "text, an integer, true, false, null or a list of text");
    }
    return value;
}

SizeRange limit(const std::string& key, const Json& value) {
    const Json& sizes = list_of(key, value, 3);
    for (const Json& size : sizes) check_int(key, size, 1, MAX_DIM);
    if (sizes.size() != 3 || sizes[0] > sizes[1] || sizes[1] > sizes[2]) {
        throw unexpected(key, sizes, "[smallest, best, largest]");
    }
    return sizes.get<SizeRange>();
}

bool is_measure(std::string_view key) { return key == "max_abs" || key == "relative" || key == "tolerance"; }

Json parity_of(const Json& value) {
    Json parity = Json::object();
    for (const auto& [key, item] : sorted_items(value, 32)) parity[key] = *item;
    for (const char* key : {"reference", "max_abs", "relative", "tolerance"}) {
        if (!parity.contains(key)) {
            throw ManifestError("", "received no key " + repr(std::string_view(key)) +
                                        ", expected reference, max_abs, relative and tolerance");
        }
    }
    bool gate = false;
    for (const auto& [key, item] : parity.items()) {
        if (key == "reference" || (item.is_string() && !is_measure(key))) {
            check_text(key, item);
        } else {
            check_number(key, item, is_measure(key) ? 0 : ANY);
        }
        gate = gate || key.starts_with(GATE_PREFIX);
    }
    if (gate && !Quality::of_parity(parity)) {
        throw ManifestError("", "received " + std::string(GATE_PREFIX) +
                                    "... that are no numbers, expected the figures of latentlink calibrate");
    }
    return parity;
}

}  // namespace

Json EngineEntry::to_json() const {
    return {{"target", target},       {"precision", precision},
            {"path", path},           {"fingerprint", Json(fingerprint)},
            {"limits", Json(limits)}, {"parity", parity ? *parity : Json()}};
}

EngineEntry EngineEntry::from_json(const Json& value) {
    const Json& record = record_of(value, {"target", "precision", "path", "fingerprint", "limits", "parity"});
    EngineEntry entry;
    entry.target = check_label("target", record["target"]);
    entry.precision = check_label("precision", record["precision"]);
    entry.path = check_path("path", record["path"]);
    check_format(entry);
    inside("fingerprint", [&] {
        for (const auto& [key, item] : sorted_items(record["fingerprint"], 64)) {
            entry.fingerprint.emplace(key, fact(key, *item));
        }
    });
    inside("limits", [&] {
        for (const auto& [key, item] : sorted_items(record["limits"], 32)) entry.limits[key] = limit(key, *item);
    });
    if (!record["parity"].is_null()) entry.parity = inside("parity", [&] { return parity_of(record["parity"]); });
    return entry;
}

}  // namespace latentlink
