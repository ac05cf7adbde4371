// A driver whose device memory is on the host: it does at once what is enqueued, and counts what is held.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "sessions/gpu/cuda_driver.h"

namespace latentlink {

// What the fake driver holds; its functions are plain ones, so that there is one of it.
struct FakeGpu {
    std::map<CudaPointer, std::size_t> memory;  // bytes by address
    int pinned = 0, events = 0, graphs = 0, launches = 0, copies = 0;
    bool capturing = false;
    std::uint64_t threshold = 0;  // bytes of freed memory that stay
    int trims = 0;
    int devices = 1;
    std::string fails;      // name of a function that fails
    CudaStatus status = 0;  // with this
};

FakeGpu& fake_gpu();

// A driver over it, as new.
CudaDriver fake_driver();

}  // namespace latentlink
