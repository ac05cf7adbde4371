// The largest canvas that fits a memory budget, found by running smaller ones: engines do not report what they need.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>

namespace latentlink {

// A canvas that ran.
struct Measured {
    std::int64_t cells;
    std::int64_t bytes;  // peak of memory since the first one began
};

// What a budget holds.
struct Room {
    std::int64_t cells;   // that fit; 0 if not even the smallest canvas does
    std::int64_t needed;  // bytes that the smallest canvas needs
};

// Held while runs are measured: the peak is that of the whole process, and beginning a measurement resets it. Whoever
// holds it may take it again.
std::recursive_mutex& measuring();

// The number of cells that fit `budget` bytes, found by running ever larger canvases that are predicted to stay in it.
// Activations are linear in the cells and attention is at most quadratic, so a linear and a quadratic term through the
// last two measurements predict the next one.
//
// `probe` runs a canvas of about this side; `least` is the smallest side to run, and more than `wanted` cells are of no
// use.
Room largest(const std::function<Measured(std::int64_t side)>& probe, std::int64_t budget, std::int64_t least,
             std::int64_t wanted);

// `a*n + b*n*n` through one or two measurements, a and b not negative; quadratic growth from one.
std::function<double(std::int64_t cells)> growth(std::span<const Measured> measured);

// Bytes of this process that are in memory and in use.
// Throws UsageError: this system does not report it.
std::int64_t resident_bytes();

// Peak bytes of this process in memory while `run` runs.
// Throws UsageError: this system does not report it.
std::int64_t peak_of(const std::function<void()>& run);

}  // namespace latentlink
