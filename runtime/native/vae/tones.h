// Offsets that make neighbouring tiles agree in tone.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace latentlink {

// Two tiles that overlap, and how much brighter the second one is there.
struct Neighbours {
    std::size_t tile, after;
    double gap;
};

// The offset of each of `count` tiles, by least squares over all neighbours: as small as agreement allows.
std::vector<double> tones(std::span<const Neighbours> neighbours, std::size_t count);

}  // namespace latentlink
