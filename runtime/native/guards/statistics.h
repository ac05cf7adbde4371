// Sums of arrays, as numpy adds them: a verdict that hangs on the last bit is the same in both runtimes.
#pragma once

#include <algorithm>
#include <cstddef>

namespace latentlink {

// The sum of `value(begin)` to `value(end - 1)` in pairs: eight sums side by side in blocks of 128, and halves of what
// is longer. Rounding grows with the logarithm of the count.
template <typename Value>
double pairwise_sum(const Value& value, std::size_t begin, std::size_t end) {
    constexpr std::size_t BLOCK = 128, LANES = 8;
    const std::size_t count = end - begin;
    if (count < LANES) {
        double sum = 0;
        for (std::size_t i = begin; i < end; ++i) sum += value(i);
        return sum;
    }
    if (count > BLOCK) {
        const std::size_t half = count / 2, middle = begin + half - half % LANES;
        return pairwise_sum(value, begin, middle) + pairwise_sum(value, middle, end);
    }
    double lanes[LANES];
    for (std::size_t lane = 0; lane < LANES; ++lane) lanes[lane] = value(begin + lane);
    const std::size_t whole = count - count % LANES;
    for (std::size_t i = LANES; i < whole; i += LANES) {
        for (std::size_t lane = 0; lane < LANES; ++lane) lanes[lane] += value(begin + i + lane);
    }
    double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    for (std::size_t i = whole; i < count; ++i) sum += value(begin + i);
    return sum;
}

}  // namespace latentlink
