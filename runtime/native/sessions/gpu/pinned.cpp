#include "sessions/gpu/pinned.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "sessions/gpu/cuda.h"

namespace latentlink {

namespace {

// Number of pieces: so many copies to the GPU can be running before the host waits.
constexpr std::size_t PIECES = 4;

constexpr std::size_t LEAST = 4096;  // bytes of a piece

// Flags of cuda.h: a host that waits yields its processor, and no time is measured.
constexpr unsigned BLOCKING_WITHOUT_TIMING = 1 | 2;

}  // namespace

const PinnedRing::Piece& PinnedRing::hold(std::span<const std::byte> bytes) {
    if (pieces_.size() < PIECES) {
        Piece made;
        check_cuda(driver_, driver_.EventCreate(&made.event, BLOCKING_WITHOUT_TIMING), "cuEventCreate");
        pieces_.push_back(made);
        next_ = pieces_.size() - 1;
    }
    Piece& piece = pieces_[next_];
    next_ = (next_ + 1) % PIECES;
    check_cuda(driver_, driver_.EventSynchronize(piece.event), "cuEventSynchronize");
    if (piece.size < bytes.size()) {
        if (void* old = std::exchange(piece.pointer, nullptr)) driver_.MemFreeHost(old);
        piece.size = 0;
        const std::size_t size = std::bit_ceil(std::max(bytes.size(), LEAST));
        check_cuda(driver_, driver_.MemHostAlloc(&piece.pointer, size, 0), "cuMemHostAlloc");
        piece.size = size;
    }
    std::memcpy(piece.pointer, bytes.data(), bytes.size());
    return piece;
}

void PinnedRing::close() {
    for (const Piece& piece : std::exchange(pieces_, {})) {
        if (piece.pointer != nullptr) driver_.MemFreeHost(piece.pointer);
        driver_.EventDestroy_v2(piece.event);
    }
    next_ = 0;
}

}  // namespace latentlink
