#include "guards/unusual.h"

#include <algorithm>
#include <array>

#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::array<std::string_view, 2> GIVEN = {"latents", "init_latents"};
constexpr std::array<std::string_view, 2> PROMPTS = {"prompt", "negative_prompt"};
constexpr std::array<std::string_view, 2> SIDES = {"width", "height"};

// Settings that multiply what a network wrote or reads.
constexpr std::array<std::string_view, 3> MULTIPLIERS = {"guidance", "prompt", "negative_prompt"};

bool one_of(std::span<const std::string_view> names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

bool multiplies(const Unusual& one) {
    return one_of(MULTIPLIERS, one.setting) || one.setting.starts_with("conditions.");
}

struct Writer {
    std::string operator()(std::int64_t whole) const { return std::to_string(whole); }
    std::string operator()(double number) const { return repr(number); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const std::vector<double>& numbers) const {
        std::string listed;
        for (const double number : numbers) listed += (listed.empty() ? "" : ", ") + repr(number);
        return "(" + listed + (numbers.size() == 1 ? ",)" : ")");
    }
};

}  // namespace

std::string text_of(const SettingValue& value) { return std::visit(Writer(), value); }

std::string Unusual::text() const {
    const double* number = std::get_if<double>(&value);
    return setting + " " + (number != nullptr ? general(*number) : text_of(value)) + " (" + usual + ")";
}

bool is_given(std::string_view stage) { return one_of(GIVEN, stage); }

std::vector<Unusual> concerning(std::string_view stage, std::span<const Unusual> unusual, bool finite) {
    std::vector<Unusual> found;
    if (is_given(stage)) return found;
    for (const Unusual& one : unusual) {
        if (!finite && !multiplies(one)) continue;
        if (stage.starts_with("text_encoder") && !one_of(PROMPTS, one.setting)) continue;
        if (stage == "vae_encoder" && !one_of(SIDES, one.setting)) continue;
        found.push_back(one);
    }
    return found;
}

}  // namespace latentlink
