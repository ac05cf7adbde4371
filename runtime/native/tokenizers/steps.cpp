#include "tokenizers/steps.h"

namespace latentlink {

std::vector<FlatValue> steps_of(const FlatValue& value, std::string_view listed) {
    if (value.is_null()) return {};
    const auto list = value.find(listed);
    if (!list) return {value};
    std::vector<FlatValue> steps;
    for (const auto& [_, step] : *list) steps.push_back(step);
    return steps;
}

FindMatches matches_of(const FlatValue& pattern) {
    if (const auto text = pattern.find("String")) return text_matches(std::string(text->text()));
    return expression_matches(pattern.find("Regex")->text());
}

bool flag_of(const FlatValue& object, std::string_view key, bool missing) {
    const auto found = object.find(key);
    return found ? found->boolean() : missing;
}

}  // namespace latentlink
