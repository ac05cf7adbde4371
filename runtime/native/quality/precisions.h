// Names of the precisions that calibration makes, as manifests write them.
#pragma once

#include <string_view>

namespace latentlink {

// Whether a manifest's precision is quantised, whatever the other operators compute in.
bool is_quantised(std::string_view precision);

// Rank of a precision by the largest number that it holds: 1 like float32, 0 like float16; none of these ranks lowest,
// below 0.
int range_rank(std::string_view precision);

}  // namespace latentlink
