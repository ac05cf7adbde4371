// Base of all sessions: threads may share one. Runs take turns where they must, and closing waits for them.
//
// Processes may not: a fork has the memory of an engine and none of its threads.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "sessions/session.h"

namespace latentlink {

// The common part of all sessions. Any thread may run it, make buffers and close it; `close` lets the run end that has
// begun, and refuses later ones. A class that is derived from it calls `close_quietly` in its destructor.
class SharedSession : public Session {
  public:
    SharedSession(const SharedSession&) = delete;
    SharedSession& operator=(const SharedSession&) = delete;

    Buffers run(const Buffers& inputs, const Buffers& outputs) final;
    void close() final;
    void trim() override {}  // most keep nothing

  protected:
    // Whether several threads may be in `run_open` at once, and while `release` runs; otherwise they take turns, in no
    // particular order.
    enum class Turns { one_at_a_time, at_once };

    // `title` is the engine's, for messages.
    explicit SharedSession(std::string title, Turns turns = Turns::one_at_a_time);

    // Run once; see `Session::run`.
    virtual Buffers run_open(const Buffers& inputs, const Buffers& outputs) = 0;

    // Release what runs need. Called once, and never in a fork.
    virtual void release() = 0;

    // Refuse to run a closed engine, or one of another process, or for a call that was cancelled.
    // Throws UsageError, Cancelled.
    void check_open() const;

    // Whether this process was forked from the one that opened the engine.
    bool forked() const;

    // Close it without a word: errors of a GPU that failed were reported when it did.
    void close_quietly() noexcept;

    const std::string& title() const { return title_; }

    // Held by the thread whose turn it is.
    std::mutex turn;

  private:
    std::string title_;
    Turns turns_;
    pid_t process_;
    std::atomic<bool> closed_ = false;
    bool released_ = false;
};

// Never destroy a value, as in a fork that would wait for threads that are not there.
template <typename Value>
void keep_for_ever(Value&& value) {
    new std::remove_cvref_t<Value>(std::forward<Value>(value));
}

}  // namespace latentlink
