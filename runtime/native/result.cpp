#include "result.h"

#include <algorithm>
#include <cmath>

namespace latentlink {
namespace {

template <typename Value>
Json or_null(const std::optional<Value>& value) {
    return value ? Json(*value) : Json();
}

Json json_of(const Fault& fault) {
    Json numbers = Json::object();
    for (const auto& [name, number] : fault.numbers) numbers[name] = number;
    return {{"found", fault.found}, {"cause", fault.cause}, {"remedy", fault.remedy}, {"numbers", numbers}};
}

Json json_of(const Mended& one) {
    return {{"component", one.component}, {"number", one.number}, {"count", one.count}, {"fault", json_of(one.fault)}};
}

}  // namespace

std::string Result::seeds() const {
    const Seed first = requests.front().seed;
    if (request().batch_seed) return "seed " + first.text() + " of the batch";
    if (requests.size() == 1) return "seed " + first.text();
    std::string listed;
    bool consecutive = true;
    for (std::size_t number = 0; number < requests.size(); ++number) {
        const Seed seed = requests[number].seed;
        listed += (number == 0 ? "" : ", ") + seed.text();
        consecutive = consecutive && seed.bits == first.bits + number;
    }
    if (consecutive) return "seeds " + first.text() + " to " + requests.back().seed.text();
    return "seeds " + listed;
}

double Result::seconds(std::string_view stage) const {
    const auto found = std::ranges::find(timings, stage, &std::pair<std::string, double>::first);
    return found == timings.end() ? 0 : found->second;
}

Json Result::to_json() const {
    const Request& first = request();
    Json seeds = Json::array(), made = Json::array(), mended_again = Json::array(), times = Json::object();
    for (const Request& one : requests) seeds.push_back(one.seed.to_json());
    for (const Record& record : records) made.push_back(record.to_json());
    for (const Mended& one : mended) mended_again.push_back(json_of(one));
    for (const auto& [stage, seconds] : timings) times[stage] = std::round(seconds * 1e4) / 1e4;
    Json cache;
    if (unmeasured_cache) {
        cache = {{"every", unmeasured_cache->every}, {"measured_steps", or_null(unmeasured_cache->measured_steps)}};
    }
    return {{"seed", first.seed.to_json()},
            {"seeds", seeds},
            {"sampler", first.sampler},
            {"spacing", or_null(first.spacing)},
            {"sigmas", or_null(first.sigmas)},
            {"steps", first.steps},
            {"guidance", first.guidance},
            {"width", first.width},
            {"height", first.height},
            {"requests", made},
            {"passes", passes},
            {"mended", mended_again},
            {"unmeasured_cache", cache},
            {"timings", times}};
}

}  // namespace latentlink
