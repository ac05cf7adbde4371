#include "command/ending.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "command/printing.h"
#include "vocabulary/errors.h"

namespace latentlink {
namespace {

constexpr int INTERRUPTED = static_cast<int>(Status::interrupted);

int end(std::string_view message, int status) {
    complain("latentlink-native: " + std::string(message));
    return status;
}

}  // namespace

Interrupts::Interrupts() {
    for (const int number : {SIGPIPE, SIGXFSZ}) std::signal(number, SIG_IGN);  // a write says it
    sigemptyset(&awaited_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction found = {};
        sigaction(number, nullptr, &found);
        if (found.sa_handler != SIG_IGN) sigaddset(&awaited_, number);
    }
    sigaddset(&awaited_, SIGUSR2);  // of `~Interrupts`
    pthread_sigmask(SIG_BLOCK, &awaited_, nullptr);
    thread_ = std::thread([this] { wait(); });
}

Interrupts::~Interrupts() {
    ending_ = true;
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
}

void Interrupts::wait() {
    while (true) {
        int number = 0;
        if (sigwait(&awaited_, &number) != 0) continue;
        if (ending_) return;
        if (number == SIGUSR2) continue;
        if (received_.exchange(true)) _exit(INTERRUPTED);
        const std::lock_guard held(lock_);
        for (Pipeline* pipeline : pipelines_) pipeline->cancel();
    }
}

void Interrupts::check() const {
    if (received_) throw Cancelled("Interrupted.");
}

Interrupts::Watching::Watching(Interrupts& interrupts, Pipeline& pipeline)
    : interrupts_(interrupts), pipeline_(pipeline) {
    const std::lock_guard held(interrupts_.lock_);
    interrupts_.pipelines_.push_back(&pipeline);
}

Interrupts::Watching::~Watching() {
    const std::lock_guard held(interrupts_.lock_);
    std::erase(interrupts_.pipelines_, &pipeline_);
}

int ended(const Interrupts& interrupts, const Flags& flags, const std::function<int()>& run) {
    try {
        try {
            const int status = run();
            interrupts.check();
            return status;
        } catch (const NobodyReads&) {
            return CLOSED_PIPE;
        } catch (const std::exception& error) {
            if (interrupts.received()) return end("Interrupted. No file was left half written.", INTERRUPTED);
            if (const auto* own = dynamic_cast<const Error*>(&error)) {
                return end(in_flags(own->what(), flags), static_cast<int>(own->status()));
            }
            if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
                return end("Out of memory. Use a smaller size or batch.", static_cast<int>(Status::failed));
            }
            return end(std::string("The program failed: ") + error.what(), static_cast<int>(Status::failed));
        }
    } catch (const NobodyReads&) {
        return CLOSED_PIPE;
    }
}

}  // namespace latentlink
