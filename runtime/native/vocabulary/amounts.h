// Amounts as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace latentlink {

// A number of bytes in the unit that suits it: `12 bytes`, `3.4 MB`, `17.18 GB`.
std::string bytes_in_words(std::int64_t count);

}  // namespace latentlink
