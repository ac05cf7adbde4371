// What runs started from, as hashes: enough to know it again, and nothing to see of it.
#pragma once

#include <vector>

#include "picture_files/record.h"

namespace latentlink {

struct Inputs;

// For each of `count` pictures the hashes of what it started from; of all inputs if their noise was drawn `together`,
// so that each depends on all of them.
std::vector<StartedFrom> hashes_of(const Inputs& inputs, int count, bool together);

}  // namespace latentlink
