#include "denoising/loop.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "denoising/guidance.h"
#include "options.h"
#include "request/checks.h"
#include "sessions/clock.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Runs whose next rows fit into one run of the engine, groups in the order of their first runs.
std::vector<std::vector<Run*>> groups_of(std::span<Run* const> runs) {
    std::vector<std::pair<Run::Key, std::vector<Run*>>> groups;
    for (Run* run : runs) {
        if (run->done()) continue;
        const Run::Key key = run->key();
        auto found = std::ranges::find(groups, key, &std::pair<Run::Key, std::vector<Run*>>::first);
        if (found == groups.end()) found = groups.insert(groups.end(), {key, {}});
        found->second.push_back(run);
    }
    std::vector<std::vector<Run*>> listed;
    for (auto& [key, group] : groups) listed.push_back(std::move(group));
    return listed;
}

std::vector<Slot> latents_of(std::span<Run* const> runs) {
    std::vector<Slot> slots;
    for (const Run* run : runs) slots.push_back(run->state().x);
    return slots;
}

bool is_floating(DType dtype) { return dtype == DType::float32 || dtype == DType::float16 || dtype == DType::bfloat16; }

bool is_finite(const Array& array) {
    return std::ranges::all_of(array.to(DType::float32).as<float>(), [](float one) { return std::isfinite(one); });
}

std::string text_of(const Shape& shape) {
    std::string text;
    for (const auto size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
    return "[" + text + "]";
}

}  // namespace

Denoising::Denoising(const Engine& denoiser, Stepper stepper, std::vector<Run> runs, bool watched)
    : denoiser_(denoiser), stepper_(std::move(stepper)), runs_(std::move(runs)), watched_(watched) {
    for (Run& run : runs_) all_.push_back(&run);
    longest_ = *std::ranges::max_element(all_, {}, [](const Run* run) { return run->rows(); });
}

std::optional<Progress> Denoising::advance() {
    if (!began_) {
        engines_before_ = Clock::engines();
        began_ = perf_counter();
    }
    if (std::ranges::all_of(all_, [](const Run* run) { return run->done(); })) return std::nullopt;
    for (const auto& group : groups_of(all_)) stepper_.step(group);
    if (watched_) stepper_.wait();
    return Progress{.row = longest_->row,
                    .rows = longest_->rows(),
                    .step = longest_->table.step.at(longest_->row - 1) + 1,
                    .steps = longest_->table.steps(),
                    .seconds = perf_counter() - *began_,
                    .latents = [this] { return on_host(latents_of(all_)); },
                    .predicted = [this] { return latentlink::predicted(all_); }};
}

void Denoising::change(const Change& change) {
    change_guidance(change.guidance);
    if (change.latents) change_latents(*change.latents);
}

DenoiseResult Denoising::result() {
    const std::vector<Slot> slots = latents_of(all_);
    bool whole = true, blended = false;
    for (std::size_t row = 0; row < slots.size(); ++row) {
        whole = whole && slots[row].buffer == slots.front().buffer && slots[row].row == static_cast<int>(row);
    }
    Array array = on_host(slots);
    stepper_.wait();
    const double seconds = Clock::engines() - engines_before_;
    for (std::size_t number = 0; number < runs_.size(); ++number) {
        const auto& around = runs_[number].around;
        if (!around) continue;
        Array own = array.row(number);
        around->over(own, runs_[number].table.levels.back());
        blended = true;
    }
    return {.array = array, .buffer = whole && !blended ? slots.front().buffer : nullptr, .seconds = seconds};
}

void Denoising::change_guidance(const Json& value) {
    if (value.is_null()) return;
    const auto scales = each_picture(option("guidance"), value, runs_.size());
    for (std::size_t number = 0; number < runs_.size(); ++number) {
        Run& run = runs_[number];
        if (run.done()) continue;
        const double scale = scales[number].get<double>();
        const bool on = applies(denoiser_, scale);
        if (on && !run.paired && how_guided(denoiser_) == "cfg") {
            throw UsageError("guidance is changed to " + general(scale) +
                                 " in a run that began without guidance, whose negative prompt was not encoded; "
                                 "expected 1 or less.",
                             "Begin with a guidance above 1.");
        }
        std::vector<bool> guided = run.guided;
        bool all = true;
        for (std::size_t row = run.row; row < run.rows(); ++row) {
            guided[row] = run.within[row] && on;
            all = all && guided[row];
        }
        const auto now = run.guided.begin() + static_cast<std::ptrdiff_t>(run.row);
        const bool was = std::find(run.guided.begin(), now, true) != now;
        if (was && !all) {
            check_both(denoiser_, static_cast<int>(runs_.size()), "A change of guidance", "without guidance and",
                       "with it");
        }
        run.guidance = scale;
        run.guided = std::move(guided);
        run.shallow = shallow_rows(run.table, run.every, run.guided);
    }
}

void Denoising::change_latents(const Array& latents) {
    Shape shape = runs_.front().state().x.shape;
    shape.insert(shape.begin(), std::ssize(runs_));
    if (latents.shape() != shape || !is_floating(latents.dtype())) {
        throw UsageError("The changed latents are " + std::string(name_of(latents.dtype())) + " " +
                             text_of(latents.shape()) + "; expected an array of floating-point numbers " +
                             text_of(shape) + ".",
                         "progress.latents() makes one.");
    }
    const Array own = latents.to(stepper_.dtype());
    if (!is_finite(own)) {
        throw UsageError("The changed latents hold values that are not finite in " +
                         std::string(name_of(stepper_.dtype())) + "; expected numbers.");
    }
    stepper_.write(all_, own);
}

Array coefficients(const SamplerTable& table, bool blends) {
    const std::size_t R = table.rows.size(), width = COEFFICIENTS.size(), A = 4;  // the column of a
    Array made(DType::float32, {static_cast<std::int64_t>(R), static_cast<std::int64_t>(width)});
    const auto numbers = made.as<float>();
    for (std::size_t row = 0; row < R; ++row) {
        const auto own = numbers.subspan(row * width, width);
        std::ranges::transform(table.rows[row], own.begin(), [](double one) { return static_cast<float>(one); });
        const auto blending = own.subspan(COLUMNS.size());  // own, keep, init, renoise
        blending[1] = 1;
        if (!blends) continue;
        if (table.recovers[row]) std::swap(blending[0], own[A]);
        if (row == 0) continue;
        blending[1] = 0;
        blending[2] = static_cast<float>(table.levels[row].signal);
        blending[3] = static_cast<float>(table.levels[row].noise);
    }
    return made;
}

}  // namespace latentlink
