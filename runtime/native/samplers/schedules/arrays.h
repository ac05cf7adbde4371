// numpy's functions on float64 arrays that schedules are defined by, with its rounding: a timestep must not move.
#pragma once

#include <vector>

namespace latentlink {

using Numbers = std::vector<double>;

// `count` numbers from start to stop, evenly spaced; without the endpoint, stop is the one that would follow.
Numbers linspace(double start, double stop, int count, bool endpoint = true);

// start, start + step, ... before stop.
Numbers arange(double start, double stop, double step);

Numbers reversed(Numbers values);

// Rounded to float32, held in float64.
double float32_value(double value);
Numbers float32_values(Numbers values);

// Every value by a function of it.
template <typename Function>
Numbers mapped(Numbers values, Function function) {
    for (double& value : values) value = function(value);
    return values;
}

}  // namespace latentlink
