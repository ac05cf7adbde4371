#include "command/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "command/printing.h"

namespace latentlink {
namespace {

constexpr std::uint64_t WIDTH = 30;  // characters of a full bar
constexpr auto APART = std::chrono::milliseconds(100);

}  // namespace

ProgressBar::ProgressBar(std::string what) : what_(std::move(what)), on_(isatty(2) != 0) {
    if (on_) draw(0, 0);
}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::update(std::string what, std::uint64_t done, std::uint64_t total) {
    const bool same = what == what_;
    what_ = std::move(what);
    const auto now = Clock::now();
    if (!on_ || (same && done < total && now - last_ < APART)) return;
    last_ = now;
    draw(done, total);
}

void ProgressBar::clear() {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
}

void ProgressBar::draw(std::uint64_t done, std::uint64_t total) {
    const std::chrono::duration<double> seconds = Clock::now() - began_;
    std::string line = printable(what_);
    if (total > 0) {
        const std::uint64_t full = std::min(done * WIDTH / total, WIDTH);
        line += " [" + std::string(full, '#') + std::string(WIDTH - full, '-') + "] " + std::to_string(done) + "/" +
                std::to_string(total);
    }
    std::fprintf(stderr, "\r\x1b[K%s %.1f s", line.c_str(), seconds.count());
    std::fflush(stderr);
    drawn_ = true;
}

}  // namespace latentlink
