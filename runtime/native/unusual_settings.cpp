#include "unusual_settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "denoising/step_cache.h"
#include "guards/faults.h"
#include "text/weighting.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Factor above the model's own guidance: with 1.47 times, karras and exponential levels of 10 steps diverge.
constexpr double GUIDANCE = 1.4;

constexpr double ETA = 0.5;     // amount of fresh noise above the sampler's default
constexpr double WEIGHT = 2.0;  // of words in a prompt; 0.5 to 1.5 are usual
constexpr double AREA = 4.0;    // factor between a picture's area and the model's own
constexpr double ASPECT = 4.0;  // factor between a picture's sides
constexpr double SHIFT = 2.0;   // factor between a shift of noise levels and the model's own

// Factor above the largest number of a condition's defaults, or of the picture's sides if these are 0.
constexpr double CONDITION = 4.0;

using StepsByName = std::pair<std::string_view, int>;

// Steps below which a sampler may diverge at the model's own guidance, unless it is the model's own sampler. "lcm" and
// "tcd" are for models that were distilled for them.
constexpr std::array<StepsByName, 5> STEADY_FROM = {
    {{"lms", 100}, {"pndm", 50}, {"deis", 30}, {"lcm", 1001}, {"tcd", 1001}}};

// The same for kinds of sigmas.
constexpr std::array<StepsByName, 2> STEADY_LEVELS_FROM = {{{"beta", 30}, {"exponential", 15}}};

int steady_from(std::span<const StepsByName> table, std::string_view name) {
    const auto found = std::ranges::find(table, name, &StepsByName::first);
    return found == table.end() ? 0 : found->second;
}

// A request, what its model was made for, and the steps that run.
struct Run {
    const Request& request;
    const Sampling& model;
    int steps;
};

using Found = std::vector<Unusual>;

void guidance(const Run& run, Found& found) {
    const double value = run.request.guidance, own = run.model.guidance;
    if (value > std::max(GUIDANCE * own, 1.0)) {
        found.push_back({"guidance", value, "the model's own is " + general(own)});
    }
}

void weights(const Run& run, Found& found) {
    const auto look = [&found](const std::string& setting, const std::string& text) {
        double largest = 1;
        if (!text.empty()) {
            const std::vector<WeightedPart> parts = weighted_parts(text);
            largest = std::ranges::max_element(parts, {}, &WeightedPart::weight)->weight;
        }
        if (largest > WEIGHT) found.push_back({setting, largest, "weights of words from 0.5 to 1.5 are usual"});
    };
    look("prompt", run.request.prompt);
    look("negative_prompt", run.request.negative_prompt.value_or(""));
}

void steps(const Run& run, Found& found) {
    const Request& request = run.request;
    const std::int64_t own = run.model.steps, few = std::min<std::int64_t>(own, FEW);
    if (run.steps >= few) return;
    const std::string runs = "runs " + std::to_string(run.steps) + " of " + std::to_string(request.steps) + " steps";
    if (request.steps < few) {
        found.push_back({"steps", std::int64_t{request.steps}, "the model's own number is " + std::to_string(own)});
    } else if (!request.denoising_start && !request.denoising_end) {
        found.push_back({"strength", request.strength, runs});
    } else {
        if (request.denoising_start) found.push_back({"denoising_start", *request.denoising_start, runs});
        if (request.denoising_end) found.push_back({"denoising_end", *request.denoising_end, runs});
    }
}

void sampler(const Run& run, Found& found) {
    const std::string &sampler = run.request.sampler, &own = run.model.sampler;
    if (sampler != own && run.steps < steady_from(STEADY_FROM, sampler)) {
        found.push_back({"sampler", sampler, "the model's own is " + own});
    }
}

void sigmas(const Run& run, Found& found) {
    const auto& sigmas = run.request.sigmas;
    const auto own = std::visit([](const auto& schedule) { return schedule.sigmas; }, *run.request.schedule);
    if (sigmas && sigmas != own && run.steps < steady_from(STEADY_LEVELS_FROM, *sigmas)) {
        found.push_back({"sigmas", *sigmas, "the model's own are " + own.value_or("evenly spaced")});
    }
}

void eta(const Run& run, Found& found) {
    const auto& eta = run.request.eta;
    if (eta && *eta > ETA) found.push_back({"eta", *eta, "0 to 0.3 are usual"});
}

void shift(const Run& run, Found& found) {
    const Request& request = run.request;
    const auto* schedule = std::get_if<FlowSchedule>(request.schedule.get());
    if (!request.shift || schedule == nullptr) return;
    const double own =
        schedule->use_dynamic_shifting ? schedule->dynamic_shift(request.width, request.height) : schedule->shift;
    if (own / SHIFT <= *request.shift && *request.shift <= own * SHIFT) return;
    found.push_back({"shift", *request.shift, "the model's own is " + general(own, 3)});
}

void size(const Run& run, Found& found) {
    const std::int64_t width = run.request.width, height = run.request.height;
    const auto own = static_cast<double>(run.model.width * run.model.height),
               area = static_cast<double>(width * height);
    const auto longer = static_cast<double>(std::max(width, height)),
               shorter = static_cast<double>(std::min(width, height));
    if (own / AREA <= area && area <= own * AREA && longer <= ASPECT * shorter) return;
    const auto look = [&found](const std::string& setting, std::int64_t value, std::int64_t side) {
        if (value != side) found.push_back({setting, value, "the model's own is " + std::to_string(side)});
    };
    look("width", width, run.model.width);
    look("height", height, run.model.height);
}

double largest_size(std::span<const double> numbers) {
    double largest = 0;
    for (const double number : numbers) largest = std::max(largest, std::abs(number));
    return largest;
}

void conditions(const Run& run, Found& found) {
    for (const auto& [name, pair] : run.request.conditions) {
        const auto& [positive, negative] = pair;
        const Condition& own = run.model.conditions.at(name);
        double most = largest_size(own.numbers);
        if (own.unconditional) most = std::max(most, largest_size(*own.unconditional));
        if (most == 0) most = std::max(run.request.width, run.request.height);
        std::string usual;
        for (const double number : own.numbers) usual += (usual.empty() ? "" : ", ") + general(number);
        const auto look = [&](const std::string& setting, const std::vector<double>& numbers) {
            if (largest_size(numbers) <= CONDITION * most) return;
            found.push_back({"conditions." + setting, numbers, "the model's own is " + usual});
        };
        look(name, positive);
        if (negative != positive) look("negative_" + name, negative);
    }
}

void step_cache(const Run& run, Found& found) {
    if (unmeasured(run.request, run.model)) {
        found.push_back({"step_cache", std::int64_t{run.request.step_cache}, "not measured on this model"});
    }
}

using Rule = void (*)(const Run& run, Found& found);

constexpr std::array<Rule, 8> RULES = {steps, sampler, sigmas, eta, shift, size, conditions, step_cache};

}  // namespace

std::vector<Unusual> unusual_settings(const Request& request, const Sampling& model, const SamplerTable& table,
                                      bool guided, bool weighted) {
    const Run run = {.request = request, .model = model, .steps = table.steps()};
    Found found;
    if (guided) guidance(run, found);
    if (weighted) weights(run, found);
    for (const Rule rule : RULES) rule(run, found);
    return found;
}

}  // namespace latentlink
