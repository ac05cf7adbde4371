// A call of the API: its time, and whether another thread cancelled it. Every engine run looks before it begins.
#pragma once

#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>

#include "sessions/clock.h"

namespace latentlink {

// One call of the API. The thread that works for it says so with `Active`; one thread after another may do so. Its
// owner keeps it until none does.
class Call {
  public:
    Call() : account_(std::make_shared<Account>()) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // End the call at its next engine run; the run that has begun is interrupted, if its engine can be. `by` is what
    // ends it, for the message. Any thread may call it, but no signal handler, as it takes a lock.
    void cancel(std::string_view by);

    // Throws Cancelled: the call was cancelled, or the one within which its thread began it.
    void check() const;

    // The seconds of its runs and its waiting.
    const AccountPtr& account() const { return account_; }

    // In the life of this object, this thread works for the call: engine runs and waiting count as its own.
    class Active {
      public:
        explicit Active(Call& call);
        ~Active();
        Active(const Active&) = delete;
        Active& operator=(const Active&) = delete;

      private:
        Call& call_;
        Call* before_;
        Accounting accounting_;
    };

    // In the life of this object, `cancel` also calls `interrupt`, from its own thread; at once if it was cancelled
    // before. Does nothing if there is no call.
    class Interruptible {
      public:
        Interruptible(Call* call, std::function<void()> interrupt);
        ~Interruptible();
        Interruptible(const Interruptible&) = delete;
        Interruptible& operator=(const Interruptible&) = delete;

      private:
        Call* call_;
        std::list<std::function<void()>>::iterator place_;
    };

  private:
    AccountPtr account_;
    const Call* around_ = nullptr;  // the call within which it was begun
    mutable std::mutex lock_;
    std::string cancelled_;  // by what
    std::list<std::function<void()>> interrupts_;
};

// The call that this thread works for; null outside of any.
Call* current_call();

}  // namespace latentlink
