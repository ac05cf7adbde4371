// Hashes that no file can foresee: texts and pairs that collide cannot be written down in advance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace latentlink {

// Polynomials modulo the prime 2^61 - 1 at a place drawn at random: two texts of n bytes collide with a chance of at
// most n / 2^61, whatever they are (Carter and Wegman 1979).
class KeyedHash {
  public:
    using is_transparent = void;

    KeyedHash();  // draws a new place

    std::size_t operator()(std::string_view text) const;
    std::size_t operator()(std::pair<std::uint32_t, std::uint32_t> pair) const;

  private:
    std::uint64_t place_;
};

}  // namespace latentlink
