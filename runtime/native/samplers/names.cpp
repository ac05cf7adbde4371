#include "samplers/names.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "samplers/flow_registry.h"
#include "samplers/noise_plan.h"
#include "samplers/resolve.h"
#include "samplers/schedules/web_schedules.h"
#include "vocabulary/close_match.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// Names that differ from a sampler's own in more than spelling; the classes of diffusers are in the registries.
constexpr std::array ALIASES = {
    Pair{"Euler a", "euler_a"},
    Pair{"euler_ancestral", "euler_a"},
    Pair{"PLMS", "pndm"},
    Pair{"DPM-Solver++(2M)", "dpmpp_2m"},
    Pair{"dpmpp_2m_sde_gpu", "dpmpp_2m_sde"},
    Pair{"uni_pc_bh2", "unipc"},
    Pair{"flow_match_euler", "flow_euler"},
    Pair{"flow_match_heun", "flow_heun"},
};

constexpr std::array WEB_NAMES = {
    Pair{"ddim", "DDIM"},        Pair{"euler", "Euler"},
    Pair{"euler_a", "Euler a"},  Pair{"heun", "Heun"},
    Pair{"dpm2", "DPM2"},        Pair{"lms", "LMS"},
    Pair{"pndm", "PLMS"},        Pair{"dpmpp_2m", "DPM++ 2M"},
    Pair{"unipc", "UniPC"},      Pair{"dpmpp_2m_sde", "DPM++ 2M SDE"},
    Pair{"deis", "DEIS"},        Pair{"lcm", "LCM"},
    Pair{"flow_euler", "Euler"}, Pair{"flow_heun", "Heun"},
};

// By name, what web UIs and other programs mean by it with a flow-matching model: the same method on the flow.
constexpr std::array ON_FLOWS = {Pair{"euler", "flow_euler"}, Pair{"heun", "flow_heun"}};

// Difference below which two timesteps are the same: float32 rounding of 999 is 3e-5.
constexpr double SAME_TIMESTEP = 1e-3;

bool remove_suffix(std::string& text, std::string_view suffix) {
    if (!text.ends_with(suffix)) return false;
    text.resize(text.size() - suffix.size());
    return true;
}

// A name without what may be written in several ways.
std::string spelling(std::string_view name) {
    constexpr std::string_view BLANKS = " \t\n\r\f\v";
    const std::size_t first = std::min(name.find_first_not_of(BLANKS), name.size());
    std::string plain = lower(name.substr(first));
    if (plain.starts_with("sample_")) {
        plain.erase(0, 7);
    } else if (plain.size() > 1 && plain[0] == 'k' &&
               std::string_view(" _-").find(plain[1]) != std::string_view::npos) {
        plain.erase(0, 2);
    }
    for (std::size_t at = plain.find("++"); at != std::string::npos; at = plain.find("++", at))
        plain.replace(at, 2, "pp");
    std::erase_if(plain, [](char c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        return !letter && static_cast<unsigned char>(c) < 0x80;
    });
    remove_suffix(plain, "scheduler");
    return plain;
}

// By spelling, a sampler's own name; also of those that are refused with a reason.
const std::map<std::string, std::string>& spelled_samplers() {
    static const std::map<std::string, std::string> made = [] {
        std::map<std::string, std::string> names;
        // The first name of a spelling stays: of two samplers of one class, that is what the class does by default.
        const auto add = [&names](std::string_view name, std::string_view own) {
            names.emplace(spelling(name), std::string(own));
        };
        for (const Sampler& one : noise_samplers()) add(one.name, one.name);
        for (const FlowSampler& one : flow_samplers()) add(one.name, one.name);
        for (const DataDependent& one : data_dependent_settings()) add(one.name, one.name);
        for (const auto& [name, own] : ALIASES) add(name, own);
        for (const Sampler& one : noise_samplers()) add(one.diffusers, one.name);
        for (const FlowSampler& one : flow_samplers()) add(one.diffusers, one.name);
        return names;
    }();
    return made;
}

struct NamedSampler {
    std::string own;
    std::optional<std::string> implied;  // the sigmas that the given name includes
};

NamedSampler sampler_named(const std::string& name, Names fitting) {
    const auto& samplers = spelled_samplers();
    std::string plain = spelling(name);
    if (const auto found = samplers.find(plain); found != samplers.end()) return {found->second, std::nullopt};
    std::optional<std::string> implied;
    for (const std::string_view kind : SIGMAS) {
        if (!implied && remove_suffix(plain, kind)) implied = kind;
    }
    if (const auto found = samplers.find(plain); found != samplers.end()) return {found->second, implied};
    for (const std::string_view schedule : WEB_SCHEDULES) {
        if (plain == spelling(schedule)) {
            throw refusal("sampler " + shown(name), "one of " + joined(fitting),
                          "Give " + repr(schedule) + " as spacing.");
        }
    }
    std::vector<std::string_view> spelled;
    for (const auto& [written, own] : samplers) {
        if (contains(fitting, own)) spelled.push_back(written);
    }
    const auto close = close_match(plain, spelled);
    throw refusal("sampler " + shown(name), "one of " + joined(fitting),
                  close ? "Did you mean " + repr(samplers.at(*close)) + "?" : "Choose another sampler.");
}

// The own name of a spacing or of sigmas; one that is the other kind is refused.
std::optional<std::string> kind_named(const std::string& what, const std::optional<std::string>& name, Names known,
                                      Names others, const std::string& meant) {
    if (!name) return std::nullopt;
    const std::string plain = spelling(*name);
    for (const std::string_view own : known) {
        if (spelling(own) == plain) return std::string(own);
    }
    for (const std::string_view own : others) {
        if (spelling(own) == plain) {
            throw refusal(what + " " + shown(*name), "one of " + joined(known),
                          "Give " + repr(own) + " as " + meant + ".");
        }
    }
    return name;
}

// The spacing with which a sampler visits the timesteps of a web UI's schedule. Where timesteps are not whole, web UIs
// interpolate log(sigma) and diffusers sigma: levels then agree within 5e-4 in up to 150 steps. If there is none, the
// message names the nearest.
std::string equal_spacing(const TrainingSchedule& training, const Sampler& sampler, const std::string& schedule,
                          int steps) {
    if (steps < 1) check_steps(steps, training.num_train_timesteps);
    const Numbers wanted = web_schedule(schedule, training.num_train_timesteps, steps);
    std::optional<std::pair<double, std::string_view>> nearest;
    for (const std::string_view spacing : sampler.spacings) {
        try {
            const NoisePlan plan = noise_plan(sampler, training, {.steps = steps, .spacing = std::string(spacing)});
            if (plan.timesteps.size() != wanted.size()) continue;
            double gap = 0;
            for (std::size_t i = 0; i < wanted.size(); ++i) {
                gap = std::max(gap, std::abs(plan.timesteps[i] - wanted[i]));
            }
            if (!nearest || gap < nearest->first) nearest = {gap, spacing};
        } catch (const UsageError&) {
            continue;  // a spacing that is not possible with so many steps
        }
    }
    if (nearest && nearest->first < SAME_TIMESTEP) return std::string(nearest->second);
    std::string remedy = "Choose another spacing.";
    if (nearest) {
        remedy = "The nearest is " + repr(nearest->second) + ", whose timesteps differ by up to " +
                 general(nearest->first, 2) + ".";
    }
    throw refusal("spacing " + repr(schedule) + ", whose " + std::to_string(steps) +
                      " steps are not those of a spacing for sampler " + repr(sampler.name),
                  sampler.spacings.empty() ? "none, as it has no such setting" : "one of " + joined(sampler.spacings),
                  remedy);
}

std::vector<std::string_view> spacings_and_schedules() {
    std::vector<std::string_view> names(SPACINGS.begin(), SPACINGS.end());
    names.insert(names.end(), WEB_SCHEDULES.begin(), WEB_SCHEDULES.end());
    return names;
}

}  // namespace

OwnNames own_names(const Schedule& training, const GivenNames& given) {
    const std::string received = "sampler " + shown(given.sampler);
    const auto [own, implied] = sampler_named(given.sampler, samplers_for(training));
    const Sampler* noise = noise_sampler(own);
    const FlowSampler* flow = flow_sampler(own);
    const Names having = noise ? noise->sigmas : flow ? flow->sigmas : Names(SIGMAS);
    if (implied && !contains(having, *implied)) {
        throw refusal(received + ", but " + own + " has no " + *implied + " sigmas", "a name without them",
                      "Use " + repr(own) + ".");
    }
    const auto spacings = spacings_and_schedules();
    const auto named = kind_named("sigmas", given.sigmas, SIGMAS, spacings, "spacing");
    if (implied && named && named != implied) {
        throw refusal(received + ", whose name includes " + *implied + " sigmas, with sigmas " + shown(*given.sigmas),
                      "one kind of sigmas", "Use sampler " + repr(own) + " with the sigmas that you want.");
    }
    const auto sigmas = named ? named : implied;
    if (std::holds_alternative<FlowSchedule>(training)) {
        const auto on_flow = std::ranges::find(ON_FLOWS, own, &Pair::first);
        return {on_flow == ON_FLOWS.end() ? own : std::string(on_flow->second), given.spacing, sigmas};
    }
    auto spacing = kind_named("spacing", given.spacing, spacings, SIGMAS, "sigmas");
    if (spacing && contains(WEB_SCHEDULES, *spacing) && noise) {
        if (sigmas) {
            throw refusal("spacing " + shown(*given.spacing) + " with " + *sigmas + " sigmas",
                          "one of them, as both choose the levels", "Leave one of them out.");
        }
        spacing = equal_spacing(std::get<TrainingSchedule>(training), *noise, *spacing, given.steps);
    }
    return {own, spacing, sigmas};
}

std::optional<std::string_view> web_name(std::string_view sampler) {
    const auto found = std::ranges::find(WEB_NAMES, sampler, &Pair::first);
    if (found == WEB_NAMES.end()) return std::nullopt;
    return found->second;
}

}  // namespace latentlink
