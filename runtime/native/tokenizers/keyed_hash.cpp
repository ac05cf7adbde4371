#include "tokenizers/keyed_hash.h"

#include <cstring>
#include <random>

namespace latentlink {

namespace {

constexpr std::uint64_t PRIME = (std::uint64_t{1} << 61) - 1;
constexpr std::size_t BLOCK = 7;  // bytes, which are below the prime

__extension__ using Wide = unsigned __int128;

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    const std::uint64_t sum = (static_cast<std::uint64_t>(product) & PRIME) + static_cast<std::uint64_t>(product >> 61);
    return sum >= PRIME ? sum - PRIME : sum;
}

std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t sum = a + b;
    return sum >= PRIME ? sum - PRIME : sum;
}

}  // namespace

KeyedHash::KeyedHash() {
    std::random_device device;
    place_ = (std::uint64_t{device()} << 32 | device()) % (PRIME - 2) + 2;
}

std::size_t KeyedHash::operator()(std::string_view text) const {
    std::uint64_t hash = text.size();
    while (!text.empty()) {
        std::uint64_t block = 0;
        const std::size_t count = text.size() < BLOCK ? text.size() : BLOCK;
        std::memcpy(&block, text.data(), count);
        hash = plus(times(hash, place_), block);
        text.remove_prefix(count);
    }
    return times(hash, place_);
}

std::size_t KeyedHash::operator()(std::pair<std::uint32_t, std::uint32_t> pair) const {
    return times(plus(times(pair.first, place_), pair.second), place_);
}

}  // namespace latentlink
