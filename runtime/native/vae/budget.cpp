#include "vae/budget.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "vae/square_root.h"
#include "vocabulary/errors.h"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

namespace latentlink {

namespace {

// Factor on predicted memory: allocators round up and keep pieces, by up to a fifth in measurements of the demo models
// and by a quarter with a full-size VAE.
constexpr double MARGIN = 1.35;

constexpr const char* STATUS = "/proc/self/status";
constexpr const char* CLEAR = "/proc/self/clear_refs";

UsageError unknown(const std::string& why) {
    return UsageError("A memory budget needs a system that reports a process's peak memory, but here " + why + ".",
                      "Leave vae_memory out, or run on Linux.");
}

// A line of the process's status, such as `VmRSS:    4096 kB`, in bytes.
std::int64_t status(std::string_view name) {
    std::ifstream file(STATUS);
    if (!file) throw unknown(std::string("there is no ") + STATUS);
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
        const std::size_t first = line.find_first_not_of(" \t", name.size() + 1);
        std::int64_t kilobytes = 0;
        if (first == std::string::npos) break;
        if (std::from_chars(line.data() + first, line.data() + line.size(), kilobytes).ec != std::errc()) break;
        return kilobytes * 1024;
    }
    throw unknown(std::string(STATUS) + " has no " + std::string(name));
}

bool fits(double bytes, std::int64_t budget) { return bytes * MARGIN <= static_cast<double>(budget); }

// Largest number of cells, up to `wanted`, that is predicted to fit; `ran` is known to fit.
std::int64_t largest_fitting(const std::function<double(std::int64_t)>& grows, std::int64_t budget, std::int64_t ran,
                             std::int64_t wanted) {
    std::int64_t low = ran, high = std::max(ran, wanted);
    while (low < high) {
        const std::int64_t middle = low + (high - low + 1) / 2;
        if (fits(grows(middle), budget)) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

// Sets the peak of the process to what is in memory now (proc_pid_clear_refs(5)).
void reset_peak() {
    std::FILE* file = std::fopen(CLEAR, "w");
    bool done = file != nullptr && std::fputs("5", file) >= 0;
    int failure = errno;
    if (file != nullptr && std::fclose(file) != 0) {  // it is written only now
        done = false;
        failure = errno;
    }
    if (!done)
        throw unknown(std::string(CLEAR) + " cannot be written (" + std::generic_category().message(failure) + ")");
}

}  // namespace

std::recursive_mutex& measuring() {
    static std::recursive_mutex lock;  // of the process, whose peak there is but once
    return lock;
}

Room largest(const std::function<Measured(std::int64_t side)>& probe, std::int64_t budget, std::int64_t least,
             std::int64_t wanted) {
    std::int64_t side = least;
    std::vector<Measured> measured = {probe(least)};
    const auto needed = static_cast<std::int64_t>(std::ceil(static_cast<double>(measured.front().bytes) * MARGIN));
    if (needed > budget) return {0, needed};
    const auto last_two = [&measured] { return std::span(measured).last(std::min<std::size_t>(measured.size(), 2)); };
    while (true) {
        const std::int64_t cells = measured.back().cells;
        const std::int64_t room = largest_fitting(growth(last_two()), budget, cells, wanted);
        // predictions far beyond the last measurement are unreliable; a tenth more is not worth a pass
        const std::int64_t following = std::min(3 * side / 2, square_root(room));
        if (10 * following <= 11 * side || cells >= wanted) return {room, needed};
        measured.push_back(probe(following));
        const auto [after, peak] = measured.back();
        if (after <= cells) return {cells, needed};  // the engine has no larger size
        if (peak > budget) return {largest_fitting(growth(last_two()), budget, cells, after - 1), needed};
        side = following;
    }
}

std::function<double(std::int64_t cells)> growth(std::span<const Measured> measured) {
    const auto n = static_cast<double>(measured[0].cells), value = static_cast<double>(measured[0].bytes);
    if (measured.size() == 1) {
        return [n, value](std::int64_t cells) {
            const double share = static_cast<double>(cells) / n;
            return value * std::max(share, share * share);
        };
    }
    const auto m = static_cast<double>(measured[1].cells), other = static_cast<double>(measured[1].bytes);
    const double square = std::min(std::max((other / m - value / n) / (m - n), 0.0), other / m / m);
    const double linear = other / m - square * m;
    return [linear, square](std::int64_t cells) {
        const auto count = static_cast<double>(cells);
        return linear * count + square * count * count;
    };
}

std::int64_t resident_bytes() {
#ifdef __GLIBC__
    // The next run would use memory that was freed but kept, and its peak would not show it; glibc can release it.
    malloc_trim(0);
#endif
    return status("VmRSS");
}

std::int64_t peak_of(const std::function<void()>& run) {
    resident_bytes();
    reset_peak();
    run();
    return status("VmHWM");
}

}  // namespace latentlink
