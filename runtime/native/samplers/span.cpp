#include "samplers/span.h"

#include <algorithm>
#include <cmath>

#include "samplers/schedules/refusal.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

void check_share(const std::string& name, double value) {
    if (value >= 0 && value <= 1) return;
    throw refusal(name + " " + repr(value), "a number from 0 to 1", "Leave " + name + " out for a whole run.");
}

// The timestep below which rows come after this share of the whole run (Podell et al. 2023, section 2.5).
double cutoff(double share, int T) { return std::nearbyint(T - share * T); }

}  // namespace

Span::Span(double strength, std::optional<double> start, std::optional<double> end)
    : strength_(strength), start_(start), end_(end) {
    check_share("strength", strength);
    if (start) check_share("denoising_start", *start);
    if (end) check_share("denoising_end", *end);
    if (start && *start >= end.value_or(1)) {
        throw refusal("denoising_start " + repr(*start) + " with " + (end ? "denoising_end" : "the end") + " at " +
                          (end ? repr(*end) : "1"),
                      "a start below the end", "Both are shares of the whole run.");
    }
}

std::string Span::text() const {
    const std::string from = start_ ? "denoising_start " + repr(*start_) : "strength " + repr(strength_);
    return end_ ? from + " and denoising_end " + repr(*end_) : from;
}

int Span::begin(std::span<const Row> whole, int steps, int calls, int T, bool rounds_up) const {
    if (!start_) {
        const double kept = std::min(steps * strength_, static_cast<double>(steps));
        return rounds_up ? static_cast<int>(steps - kept) : steps - static_cast<int>(kept);
    }
    if (*start_ == 0) return 0;
    const double below = cutoff(*start_, T);
    int left = static_cast<int>(std::ranges::count_if(whole, [=](const Row& row) { return row.t < below; }));
    if (calls == 2 && left % 2 == 0) ++left;  // a step of two calls is not cut in two; the last one has one call
    return (static_cast<int>(whole.size()) - left) / calls;
}

std::span<const Row> Span::until_end(std::span<const Row> rows, int T) const {
    if (!end_) return rows;
    const double last = cutoff(*end_, T);
    const auto count = std::ranges::count_if(rows, [=](const Row& row) { return row.t >= last; });
    return rows.first(static_cast<std::size_t>(count));
}

}  // namespace latentlink
