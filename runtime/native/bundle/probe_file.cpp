#include "bundle/probe_file.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "bundle/printable.h"
#include "bundle/record_checks.h"
#include "vocabulary/files.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/safetensors.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr std::string_view METADATA = "latentlink.probes";
constexpr std::string_view COMMON = "all";  // prefix of inputs that all probes share

constexpr std::uint64_t MAX_BYTES = 256u << 20;
constexpr std::uint64_t MAX_HEADER = 4u << 20;
constexpr std::size_t MAX_PROBES = 64;
constexpr std::size_t MAX_ELEMENTS = 1u << 24;
constexpr std::size_t MAX_NAME = 64;
constexpr std::size_t MAX_REFERENCE = 64;
constexpr std::size_t MAX_CAUSE = 80;

// Largest product of a port's free sizes in one probe: a picture of 2048x2048. What an engine takes to run a probe is
// not known before, so the sizes themselves are bounded. All probes of a file may have MAX_ALL times as much together.
struct Positions {
    std::string_view what;
    std::int64_t most;
};
constexpr std::array<Positions, 2> POSITIONS = {{{"elements", 1 << 16}, {"pixels", 1 << 22}}};  // others, pictures
constexpr std::int64_t MAX_ALL = 4;

// A file of probes that is being read: its name for messages, and what is in it.
struct Source {
    const std::filesystem::path& path;
    const SafetensorsFile& file;

    BundleError error(const std::string& problem) const;
};

BundleError damaged(const std::filesystem::path& path, const std::string& problem) {
    return BundleError(repr(path.string()) + " " + problem + ".", DAMAGED_REMEDY);
}

BundleError Source::error(const std::string& problem) const { return damaged(path, problem); }

// The file as such is none of probes; `type` is Python's name for the cause.
BundleError no_probes(const std::filesystem::path& path, std::string_view type, const std::string& cause) {
    return damaged(path, "is no safetensors file of probes (" + std::string(type) + ": " +
                             repr(first_characters(cause, MAX_CAUSE)) + ")");
}

// Name, prompt and strides of a probe.
struct Head {
    std::string name;
    std::optional<std::string> prompt;
    std::map<std::string, std::int64_t, std::less<>> strides;
};

const Json& member(const std::filesystem::path& path, const Json& record, const char* key) {
    if (!record.is_object()) throw no_probes(path, "TypeError", "an object is expected");
    if (!record.contains(key)) throw no_probes(path, "KeyError", repr(std::string_view(key)));
    return record[key];
}

Head head_of(const std::filesystem::path& path, const Json& item) {
    const auto refuse = [&path](const char* why) { return no_probes(path, "ValueError", why); };
    const Json &name = member(path, item, "name"), &prompt = member(path, item, "prompt");
    const Json& strides = member(path, item, "strides");
    Head head;
    if (!strides.is_object()) throw refuse("strides are by tensor");
    if (!name.is_string() || name.get_ref<const std::string&>().size() > MAX_NAME ||
        !is_name(name.get_ref<const std::string&>())) {
        throw refuse("a name is short, of lower-case letters and digits");
    }
    head.name = name;
    if (!prompt.is_null()) {
        if (!prompt.is_string() || !is_printable(prompt.get_ref<const std::string&>()) ||
            character_count(prompt.get_ref<const std::string&>()) > MAX_TEXT) {
            throw refuse("a prompt is printable text");
        }
        head.prompt = prompt;
    }
    for (const auto& [tensor, stride] : strides.items()) {
        if (!stride.is_number_integer() || stride < 1 || stride > MAX_BYTES) {
            throw refuse("a stride is a whole number from 1");
        }
        head.strides[tensor] = stride;
    }
    return head;
}

struct Record {
    std::vector<Head> heads;
    std::string reference;
    std::optional<Json> training;
};

Record metadata_of(const Source& source) {
    const auto text = source.file.metadata().find(METADATA);
    if (text == source.file.metadata().end()) throw no_probes(source.path, "KeyError", repr(METADATA));
    Json value;
    try {
        value = parse_json(text->second, {.keys_once = false, .constants = true});
    } catch (const JsonError& error) {
        const bool nested = error.cause() == JsonError::Cause::nested;
        throw no_probes(source.path, nested ? "RecursionError" : "JSONDecodeError", error.detail());
    }
    Record record;
    const Json& probes = member(source.path, value, "probes");
    if (!probes.is_array()) throw no_probes(source.path, "TypeError", "probes are a list");
    for (const Json& item : probes) {
        if (record.heads.size() > MAX_PROBES) break;
        record.heads.push_back(head_of(source.path, item));
    }
    const Json& reference = member(source.path, value, "reference");
    const std::string shown = reference.is_string() ? reference.get<std::string>() : repr(reference);
    if (is_printable(shown)) record.reference = first_characters(shown, MAX_REFERENCE);
    const auto training = value.find("training");
    if (training == value.end() || training->is_null()) return record;
    if (!training->is_object()) throw no_probes(source.path, "ValueError", "training is a record");
    record.training = *training;
    return record;
}

void check_names(const Source& source, const std::vector<Head>& heads) {
    std::set<std::string_view> names;
    for (const Head& head : heads) names.insert(head.name);
    if (!heads.empty() && heads.size() <= MAX_PROBES && names.size() == heads.size() && !names.contains(COMMON)) return;
    throw source.error("holds " + std::to_string(heads.size()) + " probes or more, expected 1 to " +
                       std::to_string(MAX_PROBES) + ", each with its own name");
}

// The array of a port in a probe, or of all probes; null if there is none.
const TensorInfo* info_of(const Source& source, const std::string& probe, const Port& port, std::string& name) {
    const auto& tensors = source.file.tensors();
    for (const std::string& prefix : {probe, std::string(COMMON)}) {
        name = prefix + "/" + port.tensor();
        const auto found = tensors.find(name);
        if (found != tensors.end()) return &found->second;
    }
    return nullptr;
}

bool fits(const Shape& shape, const Port& port) {
    if (shape.size() != port.shape.size()) return false;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        const auto* size = std::get_if<std::int64_t>(&port.shape[axis]);
        if (size != nullptr && *size != shape[axis]) return false;
    }
    return true;
}

// A probe's arrays of these ports, each with the dtype and shape of its port.
Arrays port_arrays(const Source& source, const Head& head, std::span<const Port> ports, bool with_strides) {
    Arrays arrays;
    for (const Port& port : ports) {
        const std::string tensor = port.tensor();
        std::string name;
        const TensorInfo* info = info_of(source, head.name, port, name);
        if (info == nullptr) {
            throw source.error("has no " + tensor + " in its probe " + head.name + ", expected one for every port");
        }
        const auto stride = head.strides.find(tensor);
        const bool sampled = with_strides && stride != head.strides.end() && stride->second > 1;
        const bool shaped = sampled ? info->shape.size() == 1 : fits(info->shape, port);
        const std::size_t count = count_of(info->shape);
        if (info->dtype() != port.dtype || !shaped || count == 0 || count > MAX_ELEMENTS) {
            throw source.error("has " + info->numpy_name() + " " + repr(Json(info->shape)) + " for " + tensor +
                               " in its probe " + head.name + ", expected " + std::string(name_of(port.dtype)) +
                               " of the port's shape");
        }
        arrays.emplace(tensor, source.file.tensor(name));
    }
    return arrays;
}

// Sizes of a port's free dimensions in an array.
std::map<std::string, std::int64_t> free_sizes(const Port& port, const Shape& shape) {
    std::map<std::string, std::int64_t> sizes;
    for (std::size_t axis = 0; axis < port.shape.size(); ++axis) {
        if (const auto* dim = std::get_if<std::string>(&port.shape[axis])) sizes[*dim] = shape[axis];
    }
    return sizes;
}

// The largest products of free sizes in a probe, as in POSITIONS. Refuses a free dimension of two sizes.
std::array<std::int64_t, 2> largest_sizes(const Source& source, const Probe& probe, std::span<const Port> ports) {
    std::map<std::string, std::int64_t> sizes;
    std::array<std::int64_t, 2> largest = {0, 0};
    for (const Port& port : ports) {
        const std::string tensor = port.tensor();
        const auto input = probe.inputs.find(tensor);
        if (input == probe.inputs.end() && probe.strides.contains(tensor)) continue;  // a sample, in one dimension
        const Array& array = input == probe.inputs.end() ? probe.outputs.at(tensor) : input->second;
        std::int64_t product = 1;
        for (const auto& [dim, size] : free_sizes(port, array.shape())) {
            const std::int64_t first = sizes.emplace(dim, size).first->second;
            if (first != size) {
                throw source.error("has " + dim + " = " + std::to_string(first) + " and " + std::to_string(size) +
                                   " in its probe " + probe.name + ", expected one");
            }
            product *= size;
        }
        std::int64_t& most = largest[port.kind == "image"];
        most = std::max(most, product);
    }
    return largest;
}

// Refuse sizes beyond POSITIONS, before an engine runs.
void check_sizes(const Source& source, const Probes& probes, std::span<const Port> inputs,
                 std::span<const Port> outputs) {
    std::vector<Port> ports(inputs.begin(), inputs.end());
    ports.insert(ports.end(), outputs.begin(), outputs.end());
    std::array<std::int64_t, 2> spent = {0, 0};
    for (const Probe& probe : probes.probes) {
        const auto largest = largest_sizes(source, probe, ports);
        for (const std::size_t kind : {1u, 0u}) {  // pictures first
            const auto& [what, most] = POSITIONS[kind];
            spent[kind] += largest[kind];
            if (largest[kind] <= most && spent[kind] <= MAX_ALL * most) continue;
            throw source.error("has " + std::to_string(largest[kind]) + " " + std::string(what) + " in its probe " +
                               probe.name + " and " + std::to_string(spent[kind]) + " up to there, expected at most " +
                               std::to_string(most) + " and " + std::to_string(MAX_ALL * most));
        }
    }
}

// Refuse types that numpy does not have, also in tensors that no port names: Python reads all of them.
void check_types(const Source& source) {
    for (const auto& [name, info] : source.file.tensors()) {
        if (info.numpy_name().empty()) throw no_probes(source.path, "TypeError", "no dtype of numpy: " + info.type);
    }
}

}  // namespace

Probes read_probes(const std::filesystem::path& path, std::span<const Port> inputs, std::span<const Port> outputs) {
    const InputFile opened(path);
    if (opened.size() > MAX_BYTES) {
        throw damaged(path,
                      "has " + std::to_string(opened.size()) + " bytes, expected at most " + std::to_string(MAX_BYTES));
    }
    std::array<std::byte, 8> first = {};
    opened.read(0, first);
    std::uint64_t header = 0;
    for (std::size_t place = first.size(); place-- > 0;) header = header << 8 | std::to_integer<unsigned>(first[place]);
    if (MAX_HEADER < header && header < opened.size()) {
        throw damaged(path, "has a header of " + std::to_string(header) + " bytes, expected at most " +
                                std::to_string(MAX_HEADER));
    }
    try {
        const SafetensorsFile file(path);
        const Source source{path, file};
        const Record record = metadata_of(source);
        check_types(source);
        check_names(source, record.heads);
        Probes probes{.reference = record.reference, .probes = {}, .training = record.training};
        for (const Head& head : record.heads) {
            probes.probes.push_back({.name = head.name,
                                     .inputs = port_arrays(source, head, inputs, false),
                                     .outputs = port_arrays(source, head, outputs, true),
                                     .strides = head.strides,
                                     .prompt = head.prompt});
        }
        check_sizes(source, probes, inputs, outputs);
        return probes;
    } catch (const SafetensorError& error) {
        throw no_probes(path, "SafetensorError", error.message());
    }
}

}  // namespace latentlink
