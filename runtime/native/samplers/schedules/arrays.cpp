#include "samplers/schedules/arrays.h"

#include <algorithm>
#include <cmath>

namespace latentlink {

Array linspace(double start, double stop, int count, bool endpoint) {
    const int parts = endpoint ? count - 1 : count;
    const double range = stop - start, step = range / parts;  // with one number, parts is 0 and the step unused
    Array values;
    for (int i = 0; i < count; ++i) {
        const double way = parts == 0 ? i * range : step == 0 ? static_cast<double>(i) / parts * range : i * step;
        values.push_back(way + start);
    }
    if (endpoint && count > 1) values.back() = stop;
    return values;
}

Array arange(double start, double stop, double step) {
    const double second = start + step, between = second - start;
    Array values;
    const int count = static_cast<int>(std::ceil((stop - start) / step));
    for (int i = 0; i < count; ++i) values.push_back(i == 1 ? second : start + i * between);
    return values;
}

Array reversed(Array values) {
    std::reverse(values.begin(), values.end());
    return values;
}

double float32_value(double value) { return static_cast<double>(static_cast<float>(value)); }

Array float32_values(Array values) { return mapped(std::move(values), float32_value); }

}  // namespace latentlink
