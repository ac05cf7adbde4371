#include "guards/guard.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "vocabulary/checks.h"
#include "vocabulary/errors.h"

namespace latentlink {

namespace {

constexpr std::array<std::string_view, 2> GUARDS = {"on", "off"};

constexpr std::string_view OFF = "guard=\"off\" skips the guards.";
constexpr std::string_view OTHER_SETTINGS =
    "Use the model's own settings. If these fail too, compare its engines with their reference: latentlink verify "
    "BUNDLE.";
constexpr std::string_view OTHER_LATENTS =
    "Give latents as a model of this space wrote them: scaled, and at the noise level of the run.";

// `latent 2 of 3`, or `the latent` if it is the only one.
std::string nth(const std::string& what, std::size_t number, std::size_t count) {
    return count > 1 ? what + " " + std::to_string(number + 1) + " of " + std::to_string(count) : "the " + what;
}

// One of each setting, in the place of its first mention and with the value of its last.
std::vector<Unusual> distinct(const std::vector<Unusual>& listed) {
    std::vector<Unusual> kept;
    for (const Unusual& one : listed) {
        const auto known = std::ranges::find(kept, one.setting, &Unusual::setting);
        if (known == kept.end()) {
            kept.push_back(one);
        } else {
            *known = one;
        }
    }
    return kept;
}

}  // namespace

Guard Guard::of(std::string_view requested, std::vector<LatentRange> ranges) {
    return {.on = choice("guard", requested, GUARDS) == "on", .ranges = std::move(ranges)};
}

void Guard::embedding(std::string_view stage, const Array& array) const {
    if (!on) return;
    if (const auto fault = finite_fault(array)) refuse(stage, "its embedding", *fault);
}

void Guard::latents(std::string_view stage, const Array& array, Level level, std::span<const Margin> margins,
                    bool generated) const {
    if (!on) return;
    const auto count = static_cast<std::size_t>(array.size(0));
    if (margins.size() != 1 && margins.size() != count) throw std::invalid_argument("one margin for each latent");
    for (std::size_t number = 0; number < count; ++number) {
        const Array latent = array.row(number);
        auto fault = finite_fault(latent);
        if (!fault) fault = range_fault(latent, ranges, level, margins[margins.size() == 1 ? 0 : number], generated);
        if (fault) refuse(stage, nth("latent", number, count), *fault);
    }
}

void Guard::pictures(std::string_view stage, std::span<const Array> pictures, bool clean) const {
    if (!on) return;
    for (std::size_t number = 0; number < pictures.size(); ++number) {
        const auto fault = picture_fault(pictures[number], clean);
        if (fault) refuse(stage, nth("picture", number, pictures.size()), *fault);
    }
}

void Guard::refuse(std::string_view stage, const std::string& what, const Fault& fault) const {
    const std::vector<Unusual> suspects = distinct(concerning(stage, unusual, fault.finite()));
    GuardError::Finding finding = {
        .message = "Guard after " + std::string(stage) + ": " + what + " " + fault.found + ".",
        .stage = std::string(stage),
        .numbers = fault.numbers,
        .cause = fault.cause,
        .remedy = fault.remedy,
    };
    if (is_given(stage)) {
        finding.unusual = {{std::string(stage), fault.found}};
        finding.cause = "The " + std::string(stage) + " are an argument of this call.";
        finding.remedy = OTHER_LATENTS;
    } else if (!suspects.empty()) {
        std::string listed;
        for (const Unusual& one : suspects) {
            listed += (listed.empty() ? "" : ", ") + one.text();
            finding.unusual.emplace_back(one.setting, text_of(one.value));
        }
        finding.cause = "Likely cause: unusual settings of this request: " + listed + ".";
        finding.remedy = OTHER_SETTINGS;
    }
    finding.remedy += " " + std::string(OFF);
    throw GuardError(std::move(finding));
}

}  // namespace latentlink
