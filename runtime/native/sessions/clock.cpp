#include "sessions/clock.h"

#include <chrono>
#include <utility>

namespace latentlink {

namespace {

AccountPtr& account_of_thread() {
    thread_local AccountPtr account = std::make_shared<Account>();
    return account;
}

}  // namespace

double perf_counter() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

const AccountPtr& this_account() { return account_of_thread(); }

Accounting::Accounting(AccountPtr account) : before_(std::exchange(account_of_thread(), std::move(account))) {}

Accounting::~Accounting() { account_of_thread() = std::move(before_); }

}  // namespace latentlink
