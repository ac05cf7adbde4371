// The time of one thread: what its own runs took, and what it waited for the runs of other threads.
#pragma once

#include <atomic>
#include <memory>

namespace latentlink {

// Seconds of a clock that never goes back; only differences mean something.
double perf_counter();

// The seconds of one thread, to which another thread may add: it may be the one that finds a run done.
struct Account {
    std::atomic<double> waited = 0;
    std::atomic<double> engines = 0;
};

using AccountPtr = std::shared_ptr<Account>;

// The account that this thread's runs and waiting count to: its own, or that of the call that it works for.
const AccountPtr& this_account();

// In the life of this object, this thread's runs and waiting count to another account.
class Accounting {
  public:
    explicit Accounting(AccountPtr account);
    ~Accounting();
    Accounting(const Accounting&) = delete;
    Accounting& operator=(const Accounting&) = delete;

  private:
    AccountPtr before_;
};

// Seconds of the thread that asks. The functions of a clock mirror those of its account.
struct Clock {
    // Seconds that this thread waited for its turn at an engine, or for other threads' work on the GPU.
    static double waited() { return this_account()->waited; }

    // Seconds that its runs took inside engines. Runs on a GPU count once they are done, see `Session::wait`.
    static double engines() { return this_account()->engines; }

    // `perf_counter` without the seconds that this thread has waited.
    static double now() { return perf_counter() - waited(); }

    // Count the time since then, by `perf_counter`, as waiting.
    static void waited_since(double began) { this_account()->waited += perf_counter() - began; }
};

// The life of this object counts as a run of this thread.
class Running {
  public:
    Running() : began_(perf_counter()) {}
    ~Running() { this_account()->engines += perf_counter() - began_; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

  private:
    double began_;
};

}  // namespace latentlink
