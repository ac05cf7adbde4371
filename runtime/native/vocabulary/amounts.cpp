#include "vocabulary/amounts.h"

#include <cstdio>

namespace latentlink {

std::string bytes_in_words(std::int64_t count) {
    if (count < 1000) return std::to_string(count) + " bytes";
    double amount = static_cast<double>(count);
    char text[32];
    for (const char* unit : {"kB", "MB"}) {
        amount /= 1000;
        if (amount < 1000) {
            std::snprintf(text, sizeof text, "%.1f %s", amount, unit);
            return text;
        }
    }
    std::snprintf(text, sizeof text, "%.2f GB", amount / 1000);
    return text;
}

}  // namespace latentlink
