#include "sessions/calls.h"

#include <utility>

#include "vocabulary/errors.h"

namespace latentlink {

namespace {

thread_local Call* call_of_thread = nullptr;

}  // namespace

Call* current_call() { return call_of_thread; }

void Call::cancel(std::string_view by) {
    const std::lock_guard held(lock_);
    if (cancelled_.empty()) cancelled_ = by;
    for (const auto& interrupt : interrupts_) interrupt();
}

void Call::check() const {
    if (around_ != nullptr) around_->check();
    const std::lock_guard held(lock_);
    if (!cancelled_.empty()) throw Cancelled("Cancelled by " + cancelled_ + ".");
}

Call::Active::Active(Call& call)
    : call_(call), before_(std::exchange(call_of_thread, &call)), accounting_(call.account_) {
    call_.around_ = before_;
}

Call::Active::~Active() {
    call_.around_ = nullptr;
    call_of_thread = before_;
}

Call::Interruptible::Interruptible(Call* call, std::function<void()> interrupt) : call_(call) {
    if (call_ == nullptr) return;
    const std::lock_guard held(call_->lock_);
    place_ = call_->interrupts_.insert(call_->interrupts_.end(), std::move(interrupt));
    if (!call_->cancelled_.empty()) (*place_)();
}

Call::Interruptible::~Interruptible() {
    if (call_ == nullptr) return;
    const std::lock_guard held(call_->lock_);
    call_->interrupts_.erase(place_);
}

}  // namespace latentlink
