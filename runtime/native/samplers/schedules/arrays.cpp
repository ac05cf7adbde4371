#include "samplers/schedules/arrays.h"

#include <algorithm>
#include <cmath>

namespace latentlink {

Numbers linspace(double start, double stop, int count, bool endpoint) {
    const int parts = endpoint ? count - 1 : count;
    const double range = stop - start, step = range / parts;  // with one number, parts is 0 and the step unused
    Numbers values;
    for (int i = 0; i < count; ++i) {
        const double way = parts == 0 ? i * range : step == 0 ? static_cast<double>(i) / parts * range : i * step;
        values.push_back(way + start);
    }
    if (endpoint && count > 1) values.back() = stop;
    return values;
}

Numbers arange(double start, double stop, double step) {
    const double second = start + step, between = second - start;
    Numbers values;
    const int count = static_cast<int>(std::ceil((stop - start) / step));
    for (int i = 0; i < count; ++i) values.push_back(i == 1 ? second : start + i * between);
    return values;
}

Numbers reversed(Numbers values) {
    std::reverse(values.begin(), values.end());
    return values;
}

double float32_value(double value) { return static_cast<double>(static_cast<float>(value)); }

Numbers float32_values(Numbers values) { return mapped(std::move(values), float32_value); }

}  // namespace latentlink
