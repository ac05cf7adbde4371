#include "sessions/shared_session.h"

#include <unistd.h>

#include "sessions/calls.h"
#include "sessions/clock.h"
#include "vocabulary/errors.h"

namespace latentlink {

SharedSession::SharedSession(std::string title, Turns turns)
    : title_(std::move(title)), turns_(turns), process_(getpid()) {}

Buffers SharedSession::run(const Buffers& inputs, const Buffers& outputs) {
    check_open();  // in a fork, a thread that is not there may hold the lock
    if (turns_ == Turns::at_once) return run_open(inputs, outputs);
    std::unique_lock held(turn, std::try_to_lock);
    if (!held) {
        const double began = perf_counter();
        held.lock();
        Clock::waited_since(began);
    }
    check_open();
    return run_open(inputs, outputs);
}

void SharedSession::close() {
    closed_ = true;
    if (forked()) return;
    const std::lock_guard held(turn);
    if (!std::exchange(released_, true)) release();
}

void SharedSession::close_quietly() noexcept {
    try {
        close();
    } catch (...) {
    }
}

bool SharedSession::forked() const { return getpid() != process_; }

void SharedSession::check_open() const {
    if (const Call* call = current_call()) call->check();
    if (forked()) {
        throw UsageError(
            "The engine " + title_ + " was opened before this process was forked; expected one of its own.",
            "Load the bundle in each process, after the fork.");
    }
    if (closed_) {
        throw UsageError("The engine " + title_ + " is closed; expected an open one.", "Load the bundle again.");
    }
}

}  // namespace latentlink
