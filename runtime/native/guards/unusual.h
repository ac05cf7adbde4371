// What a request asked for that its model was not made for, and the stages whose results depend on it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace latentlink {

// A setting's value: whole, a number, a text, or the numbers of a condition.
using SettingValue = std::variant<std::int64_t, double, std::string, std::vector<double>>;

// A value as Python writes it: `7`, `7.5`, `euler`, `(512.0, 512.0)`.
std::string text_of(const SettingValue& value);

// A setting of a request that may explain a faulty result.
struct Unusual {
    std::string setting;  // name of the argument
    SettingValue value;
    std::string usual;  // what is usual for the model, to follow the value: `the model's own is 7.5`

    // `guidance 30 (the model's own is 7.5)`
    std::string text() const;

    bool operator==(const Unusual&) const = default;
};

// Whether a stage is an argument: a fault in it is the request's own.
bool is_given(std::string_view stage);

// Those settings that may explain a stage's result. Large numbers in a request may overflow; few steps or another
// sampler do not, so that they explain only results of `finite` numbers.
std::vector<Unusual> concerning(std::string_view stage, std::span<const Unusual> unusual, bool finite);

}  // namespace latentlink
