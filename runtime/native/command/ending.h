// How a command ends: what was thrown becomes one sentence on standard error and an exit status.
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "command/flags.h"
#include "pipeline.h"

namespace latentlink {

// Ctrl-C, SIGTERM and SIGHUP: all three end a command as `Cancelled`, so that what is half written is removed first. A
// signal that is ignored stays ignored, as SIGHUP is under nohup. There is one of it in a program, made before any
// other thread; a second signal ends the program at once.
class Interrupts {
  public:
    Interrupts();
    ~Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

    // Throws Cancelled: a signal came. Long work calls this between its parts.
    void check() const;

    bool received() const { return received_; }

    // In the life of this object, a signal cancels the calls of a pipeline.
    class Watching {
      public:
        Watching(Interrupts& interrupts, Pipeline& pipeline);
        ~Watching();
        Watching(const Watching&) = delete;
        Watching& operator=(const Watching&) = delete;

      private:
        Interrupts& interrupts_;
        Pipeline& pipeline_;
    };

  private:
    void wait();

    sigset_t awaited_;
    std::atomic<bool> received_ = false, ending_ = false;
    std::mutex lock_;  // over what follows
    std::vector<Pipeline*> pipelines_;
    std::thread thread_;
};

// Run a command and return its exit status, with one sentence on standard error for what it throws; `flags` are those
// of the command that was chosen by then.
int ended(const Interrupts& interrupts, const Flags& flags, const std::function<int()>& run);

}  // namespace latentlink
