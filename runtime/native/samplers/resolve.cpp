#include "samplers/resolve.h"

#include <cmath>
#include <functional>

#include "samplers/flow_plan.h"
#include "samplers/noise_plan.h"
#include "samplers/span.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// A sampler with every choice made, except the step to begin with.
struct SamplerRun {
    std::function<std::vector<Row>(int begin)> rows;
    int calls;  // of the denoiser per step
    double start_scale;
    bool rounds_up;  // see `Span::begin`
};

template <typename Registry>
std::vector<std::string_view> names_of(const Registry& registry) {
    std::vector<std::string_view> names;
    for (const auto& sampler : registry) names.push_back(sampler.name);
    return names;
}

void check_sampler(std::string_view sampler, Names fitting, Names others, const std::string& predicts) {
    if (contains(others, sampler) && !contains(fitting, sampler)) {
        throw refusal("sampler " + repr(sampler) + " with a model that predicts " + predicts,
                      "one of " + joined(fitting),
                      "Choose one of those, or leave sampler out for the checkpoint's own.");
    }
    one_of(sampler, fitting, "sampler");
}

// Refuse a setting that a kind of model does not have.
template <typename Value>
void refuse_setting(const std::string& name, const std::optional<Value>& value, const std::string& predicts) {
    if (!value) return;
    throw refusal(name + " " + repr(*value) + " with a model that predicts " + predicts, "no " + name,
                  "Leave " + name + " out.");
}

SamplerRun run_of(const TrainingSchedule& training, const SamplerRequest& request) {
    check_sampler(request.sampler, names_of(noise_samplers()), names_of(flow_samplers()), training.prediction_type);
    refuse_setting("shift", request.shift, training.prediction_type);
    const Sampler& sampler = *noise_sampler(request.sampler);
    NoisePlan plan =
        noise_plan(sampler, training,
                   {.steps = request.steps, .spacing = request.spacing, .sigmas = request.sigmas, .eta = request.eta});
    const double scale = start_scale(sampler, training, plan, request.spacing);
    const auto rows = [&sampler, plan = std::move(plan)](int begin) mutable {
        plan.begin = begin;
        return sampler.rows(plan);
    };
    return {rows, sampler.calls, scale, false};
}

SamplerRun run_of(const FlowSchedule& training, const SamplerRequest& request) {
    check_sampler(request.sampler, names_of(flow_samplers()), names_of(noise_samplers()), "the flow");
    refuse_setting("spacing", request.spacing, "the flow");
    refuse_setting("eta", request.eta, "the flow");
    const FlowSampler& sampler = *flow_sampler(request.sampler);
    Plan plan = flow_plan(sampler, training,
                          {.steps = request.steps,
                           .sigmas = request.sigmas,
                           .shift = request.shift,
                           .width = request.width,
                           .height = request.height});
    const auto rows = [&sampler, plan = std::move(plan)](int begin) mutable {
        plan.begin = begin;
        return sampler.rows(plan);
    };
    return {rows, sampler.calls, 1, true};
}

UsageError nothing_left(const SamplerRequest& request, const Span& span) {
    std::string part = "for a larger part of them";
    if (!request.start && !request.end) {
        part = "for a strength of at least " + general(std::ceil(100.0 / request.steps) / 100);
    }
    return refusal(std::to_string(request.steps) + (request.steps == 1 ? " step" : " steps") + " with " + span.text() +
                       ", of which none is left",
                   "at least one step", "Ask for more steps, or " + part + ".");
}

}  // namespace

SamplerTable sampler_table(const Schedule& training, const SamplerRequest& request) {
    const Span span(request.strength, request.start, request.end);
    const int T = timesteps_of(training);
    check_steps(request.steps, T);
    const SamplerRun run = std::visit([&request](const auto& kind) { return run_of(kind, request); }, training);
    const int begin = span.begin(run.rows(0), request.steps, run.calls, T, run.rounds_up);
    const std::vector<Row> whole = run.rows(begin);
    const auto rows = span.until_end(whole, T);
    if (rows.empty()) throw nothing_left(request, span);
    return SamplerTable(rows, run.start_scale, rows.size() < whole.size() ? whole[rows.size()].level : CLEAN);
}

std::vector<std::string_view> samplers_for(const Schedule& training) {
    return std::holds_alternative<FlowSchedule>(training) ? names_of(flow_samplers()) : names_of(noise_samplers());
}

void check_steps(int steps, int T) {
    if (steps >= 1 && steps <= T) return;
    throw refusal("steps " + std::to_string(steps), "a whole number from 1 to " + std::to_string(T),
                  "10 to 50 are usual.");
}

}  // namespace latentlink
