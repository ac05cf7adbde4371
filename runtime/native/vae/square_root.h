// The square root of a whole number, rounded down.
#pragma once

#include <cmath>
#include <cstdint>

namespace latentlink {

// Of a number from 0; exact, where a double holds only 53 bits of it.
inline std::int64_t square_root(std::int64_t number) {
    auto root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(number)));
    const auto wanted = static_cast<std::uint64_t>(number);
    while (root * root > wanted) --root;
    while ((root + 1) * (root + 1) <= wanted) ++root;
    return static_cast<std::int64_t>(root);
}

}  // namespace latentlink
