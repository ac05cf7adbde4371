// Linear least squares of a few unknowns.
#pragma once

#include <span>
#include <vector>

namespace latentlink {

// The shortest x that makes the length of `columns * x - wanted` least, by the singular values: those below the
// rounding of the largest count as 0. `columns` has at least one column, all as long as `wanted`, which is at least as
// long as there are columns.
std::vector<double> least_squares(std::vector<std::vector<double>> columns, std::span<const double> wanted);

}  // namespace latentlink
