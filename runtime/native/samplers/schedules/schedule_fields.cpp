#include "samplers/schedules/schedule_fields.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Whether two values are equal in Python, to which 0 and 0.0 are False.
bool equal(const Json& one, const Json& other) {
    const auto number = [](const Json& value) { return value.is_boolean() ? Json(value.get<bool>() ? 1 : 0) : value; };
    return number(one) == number(other);
}

UsageError refused_value(const std::string& key, const Json& value, const Json& expected) {
    if (is_data_dependent(key)) return data_dependent(key);
    if (value.is_string() && is_data_dependent(value.get_ref<const std::string&>())) {
        return data_dependent(value.get_ref<const std::string&>());
    }
    return refusal(key + " " + repr(value), key + " " + repr(expected), "No sampler here implements another value.");
}

bool fits(const Json& value, const Field& field) {
    switch (field.kind) {
        case Field::Kind::truth: return value.is_boolean();
        case Field::Kind::whole:
            if (!value.is_number_integer()) return false;
            break;
        default:
            if (!value.is_number()) return false;
    }
    const double number = value.get<double>();
    return std::isfinite(number) && field.lowest <= number && number <= field.highest;
}

void check(const Json& value, const Field& field) {
    const std::string name(field.name);
    if (field.kind == Field::Kind::text) {
        one_of(value, field.options, name);
    } else if (!fits(value, field)) {
        const std::string kind = field.kind == Field::Kind::whole ? "int" : "float";
        const std::string range = kind + " from " + general(field.lowest) + " to " + general(field.highest);
        throw refusal(name + " " + shown(value),
                      name + " as " + (field.kind == Field::Kind::truth ? "true or false" : range),
                      "Check the checkpoint's scheduler config.");
    }
}

}  // namespace

Json known_keys(const Json& data, std::span<const Field> fields, std::span<const Inert> inert) {
    Json kept = data;
    for (const auto& [key, harmless] : inert) {
        const std::string name(key);
        const auto found = kept.find(name);
        if (found == kept.end()) continue;
        if (!equal(*found, harmless)) throw refused_value(name, *found, harmless);
        kept.erase(name);
    }
    std::vector<std::string_view> known;
    std::ranges::transform(fields, std::back_inserter(known), &Field::name);
    for (const auto& [key, value] : kept.items()) one_of(std::string_view(key), known, "schedule key");
    return kept;
}

void check_fields(const Json& data, std::span<const Field> fields) {
    for (const Field& field : fields) {
        const auto found = data.find(std::string(field.name));
        if (found != data.end() && !(found->is_null() && field.nullable)) check(*found, field);
    }
}

std::optional<std::string> own_sigmas(const Json& data) {
    std::optional<std::string> used;
    for (const std::string kind : {"karras", "exponential", "beta"}) {
        bool chosen = false;
        read(data, ("use_" + kind + "_sigmas").c_str(), chosen);
        if (!chosen) continue;
        if (used) {
            throw refusal("more than one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas",
                          "at most one that is true", "Check the checkpoint's scheduler config.");
        }
        used = kind;
    }
    return used;
}

}  // namespace latentlink
