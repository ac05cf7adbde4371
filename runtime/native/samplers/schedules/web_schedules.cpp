#include "samplers/schedules/web_schedules.h"

#include <algorithm>
#include <cmath>

namespace latentlink {

Numbers web_schedule(std::string_view name, int T, int count) {
    if (name == "normal" || name == "uniform") return linspace(T - 1, 0, count);
    Numbers t;
    if (name == "sgm_uniform") {
        t = linspace(T - 1, 0, count + 1);
        t.pop_back();
    } else if (name == "simple") {
        const double stride = static_cast<double>(T) / count;
        for (int i = 0; i < count; ++i) t.push_back(T - 1 - std::floor(i * stride));
    } else {
        t = reversed(arange(1, T, std::max(T / count, 1)));
    }
    return t;
}

}  // namespace latentlink
