#include "bundle/manifest.h"

#include <algorithm>
#include <set>

#include "bundle/paths.h"
#include "bundle/record_checks.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr const char* FORMAT = "latentlink";
constexpr int VERSION = 1;
constexpr std::size_t MAX_FILES = 10'000;

// [a-z][a-z0-9_]*
bool is_component(std::string_view text) {
    return is_identifier(text) && std::ranges::none_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

void check_component_name(const std::string& name) { check_pattern("", name, is_component, "names like vae_decoder"); }

std::vector<const Port*> ports_of(const ComponentEntry& component) {
    std::vector<const Port*> ports;
    for (const Port& port : component.inputs) ports.push_back(&port);
    for (const Port& port : component.outputs) ports.push_back(&port);
    return ports;
}

// Checked before all other keys, so that a newer bundle is reported as newer and not as damaged.
void check_version(const Json& value) {
    if (!value.is_object() || !value.contains("format") || value["format"] != FORMAT) {
        throw ManifestError("", "received no key format with " + repr(std::string_view(FORMAT)) +
                                    ", expected the manifest of a bundle");
    }
    const Json version = value.value("version", Json());
    if (!version.is_number_integer() || version != VERSION) {
        throw unexpected("version", version, std::to_string(VERSION) + ", the only version that this latentlink reads");
    }
}

std::map<std::string, ComponentEntry, std::less<>> components_of(const Json& value) {
    std::map<std::string, ComponentEntry, std::less<>> components;
    for (const auto& [name, item] : sorted_items(value, 16)) {
        components.emplace(name, inside(name, [&, entry = item] { return ComponentEntry::from_json(*entry); }));
    }
    return components;
}

std::map<std::string, FileEntry, std::less<>> files_of(const Json& value) {
    std::map<std::string, FileEntry, std::less<>> files;
    for (const auto& [path, item] : sorted_items(value, MAX_FILES, MAX_BUNDLE_PATH)) {
        check_path("", path);
        files.emplace(path, inside(path, [&, entry = item] { return FileEntry::from_json(*entry); }));
    }
    if (files.empty()) throw ManifestError("", "received no file, expected every file of the bundle");
    return files;
}

template <typename Record>
void check_different(const char* key, const std::vector<Record>& records) {
    std::set<std::pair<std::string, std::string>> names;
    for (const Record& record : records) names.emplace(record.name, record.digest());
    if (names.size() != records.size()) {
        throw ManifestError(key, "received two records of one name and digest, expected one");
    }
}

// Refuse names of components that are none, and compiled engines in an export.
void check_components(const Manifest& manifest) {
    for (const auto& [name, component] : manifest.components) {
        check_component_name(name);
        for (std::size_t number = 0; number < component.engines.size(); ++number) {
            const std::string& target = component.engines[number].target;
            if (manifest.kind != "export" || target == EXPORTED) continue;
            throw unexpected(name + "." + numbered("engines", number) + ".target", target,
                             std::string(EXPORTED) + ", as the kind is export");
        }
    }
    if (manifest.components.empty()) throw ManifestError("", "received no component, expected at least one");
}

// Names of condition ports with their numbers of values: `size [2]`.
using Sizes = std::map<std::string, Json>;

std::string sizes_text(const Sizes& sizes) {
    std::string text;
    for (const auto& [name, size] : sizes) {
        const std::string shown = size.is_string() ? size.get<std::string>() : size.dump();
        text += (text.empty() ? "" : ", ") + name + " [" + shown + "]";
    }
    return text.empty() ? "none" : text;
}

// Refuse default conditions whose names or counts are not those of the condition ports.
void check_conditions(const Manifest& manifest) {
    Sizes ports, defaults;
    for (const auto& [name, component] : manifest.components) {
        for (const Port& port : component.inputs) {
            if (port.kind != "condition") continue;
            ports[port.name] = 0;
            if (!port.shape.empty()) {
                std::visit([&](const auto& size) { ports[port.name] = size; }, port.shape.back());
            }
        }
    }
    for (const auto& [name, condition] : manifest.sampling.conditions) defaults[name] = condition.numbers.size();
    if (defaults != ports) {
        throw unexpected("sampling.conditions", sizes_text(defaults),
                         "those of the condition ports, " + sizes_text(ports));
    }
}

// Refuse latent ranges whose number of channels no latent port has.
void check_ranges(const Manifest& manifest) {
    std::set<std::size_t> channels;
    inside("components", [&] {
        for (const auto& [name, component] : manifest.components) {
            for (const Port* port : ports_of(component)) {
                if (port->kind == "latent") channels.insert(static_cast<std::size_t>(port->size('c')));
            }
        }
    });
    const auto& ranges = manifest.sampling.ranges;
    for (std::size_t number = 0; number < ranges.size(); ++number) {
        if (channels.contains(ranges[number].mean.size())) continue;
        std::string known;
        for (const std::size_t count : channels) known += (known.empty() ? "" : ", ") + std::to_string(count);
        throw ManifestError("sampling." + numbered("ranges", number) + ".mean",
                            "received " + std::to_string(ranges[number].mean.size()) +
                                " channels, expected those of the latents, " +
                                (known.empty() ? "of which there are none" : known));
    }
}

// Refuse a `size_multiple` by which a picture would not be whole elements of the latent.
void check_multiple(const Manifest& manifest) {
    const std::int64_t multiple = manifest.sampling.size_multiple;
    for (const auto& [name, component] : manifest.components) {
        for (const Port* port : ports_of(component)) {
            if (port->kind != "latent") continue;
            const int downscale = inside("components." + name, [port] { return port->size('f'); });
            if (multiple % downscale == 0) continue;
            throw unexpected("sampling.size_multiple", multiple,
                             "a multiple of " + std::to_string(downscale) + ", the downscale of " + name + "'s latent");
        }
    }
}

// Refuse paths of a component that are not listed in `files`, and a tokenizer that is not the text encoder's own.
void check_component_files(const ComponentEntry& component, const Manifest& manifest) {
    const auto check = [&manifest](const std::string& where, const std::string& path) {
        if (!manifest.files.contains(path)) throw unexpected(where, path, "a path that is listed in files");
    };
    for (std::size_t number = 0; number < component.engines.size(); ++number) {
        check(numbered("engines", number) + ".path", component.engines[number].path);
    }
    if (!component.tokenizer) return;
    const std::string& path = component.tokenizer->path;
    check("tokenizer.path", path);
    const std::string& sha256 = manifest.files.at(path).sha256;
    for (const Port& port : component.inputs) {
        if (port.kind != "tokens" || sha256.starts_with(port.digest)) continue;
        throw unexpected("tokenizer.path", path,
                         "the tokenizer that the engine was exported with: SHA-256 " + port.digest + ".., not " +
                             sha256.substr(0, 8) + "..");
    }
}

void check_listed(const Manifest& manifest) {
    for (const auto& [name, path] : manifest.probes) {
        if (!manifest.files.contains(path)) {
            throw unexpected("probes." + name, path, "a path that is listed in files");
        }
    }
    for (const auto& [name, component] : manifest.components) {
        inside("components." + name, [&, &entry = component] { check_component_files(entry, manifest); });
    }
}

std::string format_problem(const JsonError& error) {
    switch (error.cause()) {
        case JsonError::Cause::text:
            return "received text that is no UTF-8 JSON (" + error.detail() + "), expected an object";
        case JsonError::Cause::constant: return "received " + error.detail() + ", expected finite numbers";
        case JsonError::Cause::repeated:
            return "received " + shortened(Json(error.detail())) + ", expected every key once, but it is there twice";
        case JsonError::Cause::nested: return "received values nested without end, expected flat records";
    }
    throw std::invalid_argument("no cause");
}

template <typename Record>
Json list_to_json(const std::vector<Record>& records) {
    Json list = Json::array();
    for (const Record& record : records) list.push_back(record.to_json());
    return list;
}

template <typename Records>
Json map_to_json(const Records& records) {
    Json object = Json::object();
    for (const auto& [name, record] : records) object[name] = record.to_json();
    return object;
}

}  // namespace

Json Manifest::to_json() const {
    return {{"format", FORMAT},
            {"version", VERSION},
            {"kind", kind},
            {"name", name},
            {"family", family},
            {"spaces", list_to_json(spaces)},
            {"embeddings", list_to_json(embeddings)},
            {"components", map_to_json(components)},
            {"probes", Json(probes)},
            {"sampling", sampling.to_json()},
            {"provenance", Json(provenance)},
            {"files", map_to_json(files)}};
}

Manifest Manifest::from_json(const Json& value) {
    check_tree(value);
    check_version(value);
    const Json& record = record_of(value, {"format", "version", "kind", "name", "family", "spaces", "embeddings",
                                           "components", "probes", "sampling", "provenance", "files"});
    Manifest manifest;
    manifest.components = inside("components", [&] { return components_of(record["components"]); });
    manifest.sampling = inside("sampling", [&] { return Sampling::from_json(record["sampling"]); });
    manifest.files = inside("files", [&] { return files_of(record["files"]); });
    manifest.spaces = each("spaces", record["spaces"], LatentSpace::from_json);
    manifest.embeddings = each("embeddings", record["embeddings"], TextEmbedding::from_json);
    if (record["kind"] != "bundle" && record["kind"] != "export") {
        throw unexpected("kind", record["kind"], "one of bundle, export");
    }
    manifest.kind = record["kind"].get<std::string>();
    manifest.name = check_pattern("name", record["name"], is_name,
                                  "lower-case letters and digits joined by single '-', '_' or '.'");
    manifest.family = check_text("family", record["family"], MAX_LABEL);
    check_different("spaces", manifest.spaces);
    check_different("embeddings", manifest.embeddings);
    inside("components", [&] { check_components(manifest); });
    inside("probes", [&] {
        for (const auto& [name, path] : sorted_items(record["probes"], 16)) {
            check_component_name(name);
            manifest.probes[name] = check_path(name, *path);
        }
    });
    inside("provenance", [&] {
        for (const auto& [key, text] : sorted_items(record["provenance"], 64)) {
            manifest.provenance[key] = check_text(key, *text);
        }
    });
    inside("files", [&] {
        std::vector<std::string> paths;
        for (const auto& [path, entry] : manifest.files) paths.push_back(path);
        check_distinct(paths);
    });
    check_conditions(manifest);
    check_ranges(manifest);
    check_multiple(manifest);
    check_listed(manifest);
    return manifest;
}

Manifest Manifest::from_bytes(std::string_view bytes) {
    if (bytes.size() > MAX_MANIFEST_BYTES) {
        throw ManifestError("", "received " + std::to_string(bytes.size()) + " bytes, expected at most " +
                                    std::to_string(MAX_MANIFEST_BYTES));
    }
    Json value;
    try {
        value = parse_json(bytes);
    } catch (const JsonError& error) {
        throw ManifestError("", format_problem(error));
    }
    return from_json(value);
}

}  // namespace latentlink
