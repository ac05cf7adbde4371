#include "samplers/schedules/refusal.h"

#include <algorithm>
#include <array>

#include "vocabulary/close_match.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::array SETTINGS = {
    DataDependent{"thresholding", "it rescales each picture by a quantile of its own values"},
    DataDependent{"clip_sample", "it clamps the predicted picture, so the update is no longer linear in it"},
    DataDependent{"guidance_rescale", "it multiplies by a ratio of the standard deviations of two predictions"},
    DataDependent{"dpm_adaptive", "it chooses the next step from the error of the last one", "dpmpp_2m"},
    DataDependent{"dpmpp_sde", "the noise of its steps comes from one Brownian path, so that no step's is independent",
                  "dpmpp_2m_sde"},
    DataDependent{"learned", "the model predicts the variance of each pixel"},
    DataDependent{"learned_range", "the model predicts the variance of each pixel"},
};

UsageError no_option(const std::string& received, Names options, const std::string& what,
                     const std::optional<std::string>& close) {
    if (options.empty()) return refusal(received, "none, as it has no such setting", "Leave " + what + " out.");
    return refusal(received, "one of " + joined(options),
                   close ? "Did you mean " + repr(*close) + "?" : "Choose another " + what + ".");
}

}  // namespace

std::span<const DataDependent> data_dependent_settings() { return SETTINGS; }

bool is_data_dependent(std::string_view name) {
    return std::ranges::any_of(SETTINGS, [name](const DataDependent& one) { return one.name == name; });
}

UsageError refusal(const std::string& received, const std::string& expected, const std::string& remedy) {
    return UsageError("Received " + received + "; expected " + expected + ".", remedy);
}

UsageError data_dependent(std::string_view name) {
    const DataDependent& found =
        *std::ranges::find_if(SETTINGS, [name](const DataDependent& one) { return one.name == name; });
    return refusal(repr(name) + ", which is not supported: " + std::string(found.why),
                   "a setting that only scales and adds what the model predicts",
                   found.instead.empty() ? "Leave it out." : "Leave it out, or use " + repr(found.instead) + ".");
}

bool contains(Names names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

std::string one_of(std::string_view name, Names options, const std::string& what, const std::string& whose) {
    if (contains(options, name)) return std::string(name);
    if (is_data_dependent(name)) throw data_dependent(name);
    throw no_option(what + " " + shown(name) + whose, options, what, close_match(lower(name), options));
}

std::string one_of(const Json& name, Names options, const std::string& what, const std::string& whose) {
    if (name.is_string()) return one_of(std::string_view(name.get_ref<const std::string&>()), options, what, whose);
    throw no_option(what + " " + shown(name) + whose, options, what, std::nullopt);
}

}  // namespace latentlink
