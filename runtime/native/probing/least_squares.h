// Linear least squares of a few unknowns.
#pragma once

#include <span>
#include <vector>

namespace latentlink {

// The shortest x that makes the length of `columns * x - wanted` least, by the singular values: those below the
// rounding of the largest count as 0. All columns, of which there is at least one, are as long as `wanted`; all numbers
// are finite.
std::vector<double> least_squares(std::vector<std::vector<double>> columns, std::span<const double> wanted);

}  // namespace latentlink
