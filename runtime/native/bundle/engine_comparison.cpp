#include "bundle/engine_comparison.h"

#include <algorithm>

#include "bundle/record_checks.h"

namespace latentlink {

namespace {

std::optional<double> measure(std::string_view key, const Json& value, double least) {
    if (value.is_null()) return std::nullopt;
    return check_number(key, value, least);
}

Json or_null(const std::optional<double>& number) { return number ? Json(*number) : Json(); }

}  // namespace

Json ComparedEngine::to_json() const {
    return {{"target", target},      {"precision", precision},  {"seconds", or_null(seconds)},
            {"psnr", or_null(psnr)}, {"worst", or_null(worst)}, {"reason", reason}};
}

ComparedEngine ComparedEngine::from_json(const Json& value) {
    const Json& record = record_of(value, {"target", "precision", "seconds", "psnr", "worst", "reason"});
    ComparedEngine engine;
    engine.target = check_label("target", record["target"]);
    engine.precision = check_label("precision", record["precision"]);
    engine.seconds = measure("seconds", record["seconds"], 0);
    engine.psnr = measure("psnr", record["psnr"], -1e4);
    engine.worst = measure("worst", record["worst"], 0);
    engine.reason = check_text("reason", record["reason"]);
    return engine;
}

Json EngineComparison::to_json() const {
    Json engines = Json::array();
    for (const ComparedEngine& candidate : candidates) engines.push_back(candidate.to_json());
    return {{"on", on}, {"sizes", Json(sizes)}, {"candidates", std::move(engines)}};
}

EngineComparison EngineComparison::from_json(const Json& value) {
    const Json& record = record_of(value, {"on", "sizes", "candidates"});
    EngineComparison comparison;
    comparison.candidates = each("candidates", record["candidates"], ComparedEngine::from_json);
    comparison.on = check_text("on", record["on"]);
    Items sizes;
    for (const auto& [dim, size] : mapping_of(record["sizes"], 32).items()) sizes.emplace_back(dim, &size);
    std::ranges::sort(sizes, {}, &Items::value_type::first);
    inside("sizes", [&] {
        for (const auto& [dim, size] : sizes) {
            check_pattern("", dim, is_identifier, "the name of a free dimension", 32);
            comparison.sizes[dim] = check_int(dim, *size, 1, MAX_DIM);
        }
    });
    if (comparison.candidates.empty()) {
        throw ManifestError("candidates", "received an empty list, expected at least one value");
    }
    return comparison;
}

}  // namespace latentlink
