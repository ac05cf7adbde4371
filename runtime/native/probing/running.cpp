#include "probing/running.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "bundle/probe_file.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::size_t MOST_SHOWN = 40;  // characters of a value in a message

// Whether two values are equal in Python: keys in any order, 1 is 1.0 and True.
bool same_value(const Json& a, const Json& b) {
    const auto numeric = [](const Json& value) { return value.is_number() || value.is_boolean(); };
    const auto number = [](const Json& value) { return value.is_boolean() ? Json(value.get<bool>() ? 1 : 0) : value; };
    if (numeric(a) && numeric(b)) return number(a) == number(b);
    if (a.is_array() && b.is_array()) return std::ranges::equal(a, b, same_value);
    if (!a.is_object() || !b.is_object()) return a == b;
    if (a.size() != b.size()) return false;
    return std::ranges::all_of(a.items(), [&](const auto& item) {
        const auto other = b.find(item.key());
        return other != b.end() && same_value(item.value(), *other);
    });
}

std::string first_characters(std::string_view text) {
    std::string made;
    std::size_t count = 0;
    for (const char byte : text) {
        const bool begins = (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
        if (begins && ++count > MOST_SHOWN) break;
        made += byte;
    }
    return made;
}

// Characters outside ASCII as Python's `ascii` writes them.
std::string escaped(std::string_view text) {
    std::string made;
    for (const char32_t letter : characters(text)) {
        const auto code = static_cast<unsigned>(letter);
        char digits[12];
        std::snprintf(digits, sizeof digits, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
        made += code < 0x80 ? std::string(1, static_cast<char>(code)) : digits;
    }
    return made;
}

// The first key, by its name, whose values differ; a key that one of them lacks differs too.
std::string first_difference(const Json& value, const Json& other) {
    std::set<std::string> keys;
    for (const Json* one : {&value, &other}) {
        for (const auto& item : one->items()) keys.insert(item.key());
    }
    return *std::ranges::find_if(keys, [&](const std::string& key) {
        return !value.contains(key) || !other.contains(key) || !same_value(value[key], other[key]);
    });
}

}  // namespace

Probes load_probes(const Bundle& bundle, const std::string& component, const ComponentEntry& entry) {
    return read_probes(bundle.file(bundle.manifest.probes.at(component)), entry.inputs, entry.outputs);
}

RunEngine runner(SessionPtr session) {
    return [session = std::move(session)](const Arrays& inputs) {
        Buffers given, made;
        for (const auto& [tensor, array] : inputs) given[tensor] = session->upload(array);
        for (const Port& port : session->outputs()) made[port.tensor()] = nullptr;
        Arrays outputs;
        for (const auto& [tensor, buffer] : session->run(given, made)) outputs.emplace(tensor, buffer->host());
        return outputs;
    };
}

std::string training_differs(const Bundle& bundle, const Probes& probes) {
    const Json expected = probes.training.value_or(Json::object()), found = bundle.manifest.sampling.training();
    for (const auto& item : found.items()) {
        if (!expected.contains(item.key()) || same_value(item.value(), expected[item.key()])) continue;
        std::string group = item.key();
        Json value = item.value(), other = expected[group];
        if (value.is_object() && other.is_object()) {
            const std::string key = first_difference(value, other);
            group += "." + key;
            value = value.value(key, Json());
            other = other.value(key, Json());
        }
        return "the manifest says " + first_characters(repr(value)) + " for sampling." + group +
               ", but it was exported with " + first_characters(escaped(repr(other)));
    }
    return "";
}

std::string tokens_differ(const Bundle& bundle, const ComponentEntry& entry, const Probes& probes) {
    const std::optional<Prompts> prompts = tokenizer_of(bundle, entry);
    if (!prompts) return "";
    const auto port = std::ranges::find(entry.inputs, "tokens", &Port::kind);
    for (const Probe& probe : probes.probes) {
        const std::optional<std::vector<std::int32_t>> ids = token_ids(*prompts, probe.prompt);
        if (!ids) continue;
        const Array& golden = probe.inputs.at(port->tensor());
        const auto row = golden.as<std::int32_t>().first(static_cast<std::size_t>(golden.shape().back()));
        if (!std::ranges::equal(*ids, row)) {
            return "the tokenizer makes other ids of " + repr(*probe.prompt) + " than the reference's";
        }
    }
    return "";
}

std::optional<Prompts> tokenizer_of(const Bundle& bundle, const ComponentEntry& entry) {
    if (!entry.tokenizer) return std::nullopt;
    return Prompts(bundle.file(entry.tokenizer->path), *entry.tokenizer);
}

std::optional<std::vector<std::int32_t>> token_ids(const Prompts& prompts, const std::optional<std::string>& prompt) {
    if (!prompt) return std::nullopt;
    try {
        const std::vector<std::string> all = {*prompt};
        const Array ids = prompts.tokens(all, prompts.pieces(all)).ids;
        const auto first = ids.as<std::int32_t>().first(static_cast<std::size_t>(ids.shape().back()));
        return std::vector<std::int32_t>(first.begin(), first.end());
    } catch (const UsageError&) {
        return std::nullopt;
    }
}

}  // namespace latentlink
