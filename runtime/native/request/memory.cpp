#include "request/memory.h"

#include <cstdint>
#include <string>

#include "targets/memory.h"
#include "vocabulary/amounts.h"
#include "vocabulary/errors.h"

namespace latentlink {

void check_memory(int width, int height, int batch) {
    const std::int64_t needed = std::int64_t{LEAST_BYTES} * width * height * batch;
    const auto free = free_memory();
    if (!free || needed <= *free) return;
    const std::string size = std::to_string(width) + "x" + std::to_string(height);
    const std::string many =
        batch > 1 ? std::to_string(batch) + " pictures of " + size + " need" : "A picture of " + size + " needs";
    throw UsageError(
        many + " at least " + bytes_in_words(needed) + " of memory; " + bytes_in_words(*free) + " are free.",
        "Draw smaller or fewer pictures at once.");
}

}  // namespace latentlink
