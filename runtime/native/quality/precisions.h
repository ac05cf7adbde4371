// Precisions that engines compute in, compared with one another.
#pragma once

#include <string_view>

namespace latentlink {

// Rank of a precision by the largest number that it holds: 1 like float32; 0 like float16, and for all that are not
// known.
int range_rank(std::string_view precision);

}  // namespace latentlink
