// Checks of a schedule's constants, which come from a manifest or a checkpoint's scheduler config.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "samplers/schedules/refusal.h"
#include "vocabulary/json.h"

namespace latentlink {

// What one field of a schedule may hold.
struct Field {
    enum class Kind { text, whole, number, truth };

    std::string_view name;
    Kind kind;
    double lowest = 0, highest = 0;  // of whole numbers and numbers
    Names options = {};              // of texts
    bool nullable = false;           // whether null is its default
};

// A key that changes nothing at this value, and is refused at any other.
struct Inert {
    std::string_view key;
    Json harmless;
};

// `data` without the inert keys, checked to be fields.
// Throws UsageError: a key is unknown, or needs an update that no sampler here has.
Json known_keys(const Json& data, std::span<const Field> fields, std::span<const Inert> inert);

// Check the value of every field that is given.
// Throws UsageError: a value has the wrong type or is out of range.
void check_fields(const Json& data, std::span<const Field> fields);

// The checkpoint's own kind of levels, from the fields `use_karras_sigmas`, `use_exponential_sigmas` and
// `use_beta_sigmas`; none for evenly spaced ones.
// Throws UsageError: more than one of them is true.
std::optional<std::string> own_sigmas(const Json& data);

// The value of a field that was checked, or what is there if it is not given.
template <typename Value>
void read(const Json& data, const char* name, Value& into) {
    const auto found = data.find(name);
    if (found != data.end() && !found->is_null()) into = found->get<Value>();
}

template <typename Value>
void read(const Json& data, const char* name, std::optional<Value>& into) {
    const auto found = data.find(name);
    if (found != data.end() && !found->is_null()) into = found->get<Value>();
}

}  // namespace latentlink
