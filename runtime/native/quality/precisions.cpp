#include "quality/precisions.h"

namespace latentlink {

int range_rank(std::string_view precision) { return precision == "bfloat16" || precision == "float32" ? 1 : 0; }

}  // namespace latentlink
