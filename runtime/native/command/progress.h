// A progress bar on standard error, which disappears when it is done; nothing if that is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace latentlink {

class ProgressBar {
  public:
    explicit ProgressBar(std::string what);
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    // What is done now, and how much of it; drawn at most ten times a second.
    void update(std::string what, std::uint64_t done, std::uint64_t total);

    // Make place for a line that is printed.
    void clear();

  private:
    using Clock = std::chrono::steady_clock;

    void draw(std::uint64_t done, std::uint64_t total);

    std::string what_;
    bool on_, drawn_ = false;
    Clock::time_point began_ = Clock::now(), last_ = {};
};

}  // namespace latentlink
