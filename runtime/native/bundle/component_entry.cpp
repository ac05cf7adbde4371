#include "bundle/component_entry.h"

#include <map>
#include <set>

#include "bundle/record_checks.h"
#include "vocabulary/spaces.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::size_t MAX_TENSOR = 256;

Dim dim_of(const std::string& where, const Json& value) {
    if (value.is_string()) return check_pattern(where, value, is_identifier, "the name of a free dimension", 32);
    return check_int(where, value, 1, MAX_DIM);
}

// A port whose shape is not checked yet, and the values of it: the tensors' names are looked at first.
struct NamedPort {
    Port port;
    const Json* shape;
};

NamedPort port_of(const Json& value) {
    const Json& record = record_of(value, {"tensor", "shape"});
    const std::string& tensor = check_text("tensor", record["tensor"], MAX_TENSOR);
    const Json& shape = list_of("shape", record["shape"], 8);
    return {inside("tensor", [&] { return Port::parse(tensor); }), &shape};
}

// The ports with their shapes. `names` are the tensors so far, each of which occurs once.
std::vector<Port> with_shapes(std::string_view key, const std::vector<NamedPort>& named, std::set<std::string>& names) {
    std::vector<Port> ports;
    for (const auto& [port, shape] : named) {
        const std::string where = numbered(key, ports.size());
        ports.push_back(port);
        for (const Json& dim : *shape) {
            ports.back().shape.push_back(dim_of(numbered(where + ".shape", ports.back().shape.size()), dim));
        }
        if (!names.insert(port.tensor()).second) {
            throw ManifestError(where + ".tensor", "received " + repr(port.tensor()) + " twice, expected it once");
        }
    }
    return ports;
}

template <typename Values>
void check_some(std::string_view key, const Values& values) {
    if (!values.empty()) return;
    throw ManifestError(std::string(key), "received an empty list, expected at least one value");
}

void check_limits(const ComponentEntry& entry) {
    std::set<std::string_view> free;
    for (const auto* ports : {&entry.inputs, &entry.outputs}) {
        for (const Port& port : *ports) {
            for (const Dim& dim : port.shape) {
                if (const auto* name = std::get_if<std::string>(&dim)) free.insert(*name);
            }
        }
    }
    for (std::size_t number = 0; number < entry.engines.size(); ++number) {
        for (const auto& [dim, range] : entry.engines[number].limits) {
            if (free.contains(dim)) continue;
            const std::vector<std::string_view> known(free.begin(), free.end());
            throw unexpected(numbered("engines", number) + ".limits", dim, "a free dimension: " + joined(known));
        }
    }
}

void check_tokenizer(const ComponentEntry& entry) {
    std::vector<int> lengths;
    inside("inputs", [&] {
        for (const Port& port : entry.inputs) {
            if (port.kind == "tokens") lengths.push_back(port.size('l'));
        }
    });
    if (lengths.empty() == entry.tokenizer.has_value()) {
        throw ManifestError("tokenizer", "expected one exactly where an input is of kind tokens");
    }
    for (const int length : lengths) {
        if (length == entry.tokenizer->max_length) continue;
        throw unexpected("tokenizer.max_length", entry.tokenizer->max_length, "the port's " + std::to_string(length));
    }
}

Json ports_to_json(std::span<const Port> ports) {
    Json records = Json::array();
    for (const Port& port : ports) {
        Json shape = Json::array();
        for (const Dim& dim : port.shape) std::visit([&shape](const auto& one) { shape.push_back(one); }, dim);
        records.push_back({{"tensor", port.tensor()}, {"shape", std::move(shape)}});
    }
    return records;
}

// A fact in a sentence, where a text has no quotes, and a list is a tuple as in Python.
std::string plain(const Fact& fact) {
    if (fact.is_string()) return fact.get<std::string>();
    if (!fact.is_array()) return repr(fact);
    std::string text = repr(fact);
    text.pop_back();
    return "(" + text.substr(1) + (fact.size() == 1 ? ",)" : ")");
}

}  // namespace

void ComponentEntry::check_fingerprints() const {
    const std::string ports = ports_digest(inputs, outputs);
    std::map<std::string_view, Fact> sources;
    for (std::size_t number = 0; number < engines.size(); ++number) {
        const EngineEntry& engine = engines[number];
        inside(numbered("engines", number) + ".fingerprint", [&] {
            const auto found = engine.fingerprint.find("ports");
            if (found != engine.fingerprint.end() && found->second != ports) {
                throw unexpected_tuple("ports", found->second, ports + ", the digest of the component's ports");
            }
            const auto source = engine.fingerprint.find("source");
            if (source == engine.fingerprint.end() || source->second.is_null()) return;
            const Fact& first = sources.emplace(engine.precision, source->second).first->second;
            if (first != source->second) {
                throw unexpected_tuple("source", source->second,
                                       plain(first) + ", as in the other " + engine.precision + " engine");
            }
        });
    }
}

Json ComponentEntry::to_json() const {
    Json record = {{"inputs", ports_to_json(inputs)}, {"outputs", ports_to_json(outputs)}};
    for (const EngineEntry& engine : engines) record["engines"].push_back(engine.to_json());
    if (!overflows.empty()) record["overflows"] = overflows;
    if (measured) record["measured"] = measured->to_json();
    if (tokenizer) record["tokenizer"] = tokenizer->to_json();
    return record;
}

ComponentEntry ComponentEntry::from_json(const Json& value) {
    const Json& record = record_of(value, {"inputs", "outputs", "engines"}, {"tokenizer", "overflows", "measured"});
    ComponentEntry entry;
    if (record.contains("tokenizer")) {
        entry.tokenizer = inside("tokenizer", [&] { return TokenizerEntry::from_json(record["tokenizer"]); });
    }
    if (record.contains("measured")) {
        entry.measured = inside("measured", [&] { return EngineComparison::from_json(record["measured"]); });
    }
    const auto inputs = each("inputs", record["inputs"], port_of);
    const auto outputs = each("outputs", record["outputs"], port_of);
    entry.engines = each("engines", record["engines"], EngineEntry::from_json);
    if (record.contains("overflows")) entry.overflows = check_text("overflows", record["overflows"]);
    check_some("inputs", inputs);
    check_some("outputs", outputs);
    check_some("engines", entry.engines);
    std::set<std::string> names;
    entry.inputs = with_shapes("inputs", inputs, names);
    entry.outputs = with_shapes("outputs", outputs, names);
    check_limits(entry);
    check_tokenizer(entry);
    return entry;
}

std::string ports_digest(std::span<const Port> inputs, std::span<const Port> outputs) {
    Json tensors = Json::array();
    for (const auto ports : {inputs, outputs}) {
        for (const Port& port : ports) tensors.push_back(port.tensor());
    }
    return digest_of({{"ports", std::move(tensors)}});
}

}  // namespace latentlink
