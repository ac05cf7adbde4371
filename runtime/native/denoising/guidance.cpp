#include "denoising/guidance.h"

#include <algorithm>

#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

UsageError nothing_to_leave_out(const Engine& denoiser, const Request& request) {
    const auto how = how_guided(denoiser);
    std::string why =
        "guidance was distilled into " + denoiser.title() + ", which has no unconditional half to leave out";
    if (how == "cfg") why = "guidance " + general(request.guidance) + " turns guidance off";
    if (!how) why = denoiser.title() + " is not guided";
    return UsageError("guidance_interval says where classifier-free guidance is applied, but " + why + ".",
                      how == "cfg" ? "Leave it out, or use a guidance above 1." : "Leave guidance_interval out.");
}

std::string listed(const std::vector<double>& sigmas) {
    std::string text;
    const std::size_t count = sigmas.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (count > 8 && i >= 4 && i + 3 < count) {
            if (i == 4) text += ", ..";
            continue;
        }
        text += (i == 0 ? "" : ", ") + general(sigmas[i], 3);
    }
    return text;
}

UsageError nothing_within(const Request& request, const SamplerTable& table) {
    const auto [low, high] = *request.guidance_interval;
    return UsageError("guidance_interval " + general(low) + " to " + general(high) +
                          " holds none of this run's noise levels: its calls are at sigma " + listed(table.sigmas) +
                          ".",
                      "Use a wider interval, or guidance 1 to turn guidance off.");
}

// Smallest and largest number of rows of text that a port was built for, in a run of so many pictures.
std::pair<std::int64_t, std::int64_t> rows_of(const Engine& denoiser, const Port& port, std::int64_t batch) {
    const Dim& rows = port.shape.at(0);
    if (const auto* fixed = std::get_if<std::int64_t>(&rows)) return {*fixed, *fixed};
    const auto found = denoiser.limits.find(std::get<std::string>(rows));
    if (found == denoiser.limits.end()) return {1, 2 * batch};
    return {found->second[0], found->second[2]};
}

}  // namespace

bool applies(const Engine& denoiser, double guidance) { return guidance > 1 && how_guided(denoiser) == "cfg"; }

std::optional<std::string> how_guided(const Engine& denoiser) {
    for (const Port& port : denoiser.session->inputs()) {
        if (port.kind == "guidance") return port.name;
    }
    return std::nullopt;
}

std::vector<bool> rows_within(const Request& request, const SamplerTable& table) {
    std::vector<bool> within(table.rows.size(), true);
    if (!request.guidance_interval) return within;
    const auto [low, high] = *request.guidance_interval;
    for (std::size_t row = 0; row < within.size(); ++row) {
        within[row] = low < table.sigmas[row] && table.sigmas[row] <= high;
    }
    return within;
}

std::vector<bool> guided_rows(const Engine& denoiser, const Request& request, const SamplerTable& table) {
    const bool on = applies(denoiser, request.guidance);
    if (!request.guidance_interval) return std::vector<bool>(table.rows.size(), on);
    if (!on) throw nothing_to_leave_out(denoiser, request);
    std::vector<bool> within = rows_within(request, table);
    const auto count = std::ranges::count(within, true);
    if (count == 0) throw nothing_within(request, table);
    if (count < std::ssize(within)) {
        check_both(denoiser, request.count, "guidance_interval", "outside of the interval and", "inside");
    }
    return within;
}

void check_both(const Engine& denoiser, int batch, std::string_view what, std::string_view off, std::string_view on) {
    for (const Port& port : denoiser.session->inputs()) {
        if (port.kind != "text" && port.kind != "condition") continue;
        const auto [low, high] = rows_of(denoiser, port, batch);
        if (low <= batch && 2 * std::int64_t{batch} <= high) continue;
        const std::string built = std::to_string(low) + (low == high ? "" : " to " + std::to_string(high));
        throw UsageError(std::string(what) + " needs " + std::to_string(batch) + " rows of text " + std::string(off) +
                             " " + std::to_string(2 * std::int64_t{batch}) + " " + std::string(on) + ", but " +
                             denoiser.title() + " was built for " + built + ".",
                         "Leave it out, or build the bundle again, which makes engines for both: latentlink build.");
    }
}

}  // namespace latentlink
