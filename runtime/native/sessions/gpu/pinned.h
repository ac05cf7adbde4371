// Pinned host memory, from which a GPU copies while the host continues.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "sessions/gpu/cuda_driver.h"

namespace latentlink {

// Pieces of pinned memory that are used in turn; each grows to the largest array that it holds.
class PinnedRing {
  public:
    explicit PinnedRing(const CudaDriver& driver) : driver_(driver) {}

    // A piece that holds a copy of the bytes, and the event to record after it was copied to the device.
    struct Piece {
        CudaEvent event = nullptr;
        void* pointer = nullptr;
        std::size_t size = 0;
    };

    // Copy bytes into the piece with the oldest copy, after waiting for that.
    // Throws std::bad_alloc, MachineError.
    const Piece& hold(std::span<const std::byte> bytes);

    // Release all pieces, when all copies are done; the ring may be used again.
    void close();

  private:
    const CudaDriver& driver_;
    std::vector<Piece> pieces_;
    std::size_t next_ = 0;
};

}  // namespace latentlink
