#include "command/words.h"

#include <algorithm>
#include <cstdio>

#include "vocabulary/texts.h"

namespace latentlink {
namespace {

std::string purpose(const Decision& decision) { return decision.purpose == "preview" ? " for previews" : ""; }

}  // namespace

std::vector<std::string> skipped_lines(std::span<const Decision> decisions) {
    std::vector<std::pair<std::string, std::string>> reasons;  // and the components
    for (const Decision& one : decisions) {
        for (const Skipped& engine : one.skipped) {
            const std::string reason = engine.target + " skipped: " + engine.text();
            const std::string component = engine.component + purpose(one);
            const auto found = std::ranges::find(reasons, reason, &std::pair<std::string, std::string>::first);
            if (found == reasons.end()) {
                reasons.emplace_back(reason, component);
            } else {
                found->second += ", " + component;
            }
        }
    }
    std::vector<std::string> lines;
    for (const auto& [reason, components] : reasons) lines.push_back(components + ": " + reason);
    return lines;
}

std::vector<std::string> admissions(std::span<const Decision> decisions) {
    std::vector<std::string> lines;
    for (const Decision& one : decisions) {
        if (!one.admission) continue;
        const Admission& found = *one.admission;
        const std::string how =
            found.same ? "the same output as" : "a signal-to-noise ratio of " + fixed(found.snr, 1) + " dB against";
        lines.push_back(one.component + " from " + one.bundle + purpose(one) + ": accepted; on the probes of " +
                        found.host + " it has " + how + " " + found.host + "'s own");
    }
    return lines;
}

std::vector<std::string> notices(const Result& result) {
    std::vector<std::string> lines;
    for (const Mended& one : result.mended) {
        const bool decoder = one.component == "vae_decoder";
        const std::string what =
            decoder ? "picture " + std::to_string(one.number) + " of " + std::to_string(one.count) : "the latent";
        lines.push_back(one.component + ": " + what + " " + one.fault.found + "; it was " +
                        (decoder ? "decoded" : "encoded") + " again by the wider engine");
    }
    if (const auto& cache = result.unmeasured_cache) {
        const std::string known = cache->measured_steps
                                      ? "its effect was measured with " + std::to_string(*cache->measured_steps) +
                                            " steps, and is larger with fewer"
                                      : "its effect on this model's pictures was not measured";
        lines.push_back("step_cache " + std::to_string(cache->every) + ": " + known);
    }
    return lines;
}

std::string settings_of(const Request& request) {
    std::string how = request.sampler;
    for (const auto& part : {request.sigmas, request.spacing}) how += part ? " " + *part : "";
    if (request.eta) how += ", eta " + general(*request.eta);
    return how + ", " + std::to_string(request.steps) + " steps, guidance " + general(request.guidance) + ", " +
           std::to_string(request.width) + "x" + std::to_string(request.height);
}

Json decisions_json(std::span<const Decision> decisions) {
    Json made = Json::array();
    for (const Decision& one : decisions) made.push_back(one.to_json());
    return made;
}

std::string fixed(double value, int digits) {
    char text[64];
    const int length = std::snprintf(text, sizeof text, "%.*f", digits, value);
    return {text, static_cast<std::size_t>(length)};
}

}  // namespace latentlink
