#include "linking/engine_memory.h"

#include <sys/stat.h>

#include <algorithm>

#include "sessions/clock.h"
#include "vocabulary/amounts.h"
#include "vocabulary/checks.h"
#include "vocabulary/errors.h"
#include "vocabulary/files.h"

namespace latentlink {

EngineMemory::EngineMemory(std::int64_t budget)
    : budget_(static_cast<std::uint64_t>(byte_count("engine_memory", budget))) {}

std::uint64_t EngineMemory::used() const {
    const std::lock_guard held(lock_);
    std::uint64_t bytes = 0;
    for (const ReopeningSession* session : open_) bytes += session->size();
    return bytes;
}

void EngineMemory::check(std::string_view title, std::uint64_t size) const {
    if (size <= budget_) return;
    const auto words = [](std::uint64_t bytes) { return bytes_in_words(static_cast<std::int64_t>(bytes)); };
    throw UsageError(std::string(title) + " has " + words(size) + ", but the open engines may have at most " +
                         words(budget_) + " in all.",
                     "Allow at least that: engine_memory=" + std::to_string(size) + ".");
}

void EngineMemory::make_room(std::uint64_t size) {
    while (!open_.empty() && used() + size > budget_) open_.front()->rest();
}

void EngineMemory::enter(ReopeningSession& session) {
    leave(session);
    open_.push_back(&session);
}

void EngineMemory::leave(ReopeningSession& session) { std::erase(open_, &session); }

ReopeningSession::ReopeningSession(Settings settings) : settings_(std::move(settings)) {
    settings_.memory->check(settings_.title, settings_.size);
    files_ = identity(settings_.path);
    open();
    inputs_ = session_->inputs();
    outputs_ = session_->outputs();
}

ReopeningSession::~ReopeningSession() { close(); }

bool ReopeningSession::ready() {
    const std::lock_guard held(settings_.memory->lock_);
    if (is_open_ || ended_) return false;
    if (identity(settings_.path) != files_) {
        throw BundleError("The files of " + settings_.title + " were replaced while it was closed to make room.",
                          "Load the bundle again.");
    }
    open();
    return true;
}

void ReopeningSession::rest() {
    const std::lock_guard held(settings_.memory->lock_);
    if (!is_open_) return;
    session()->close();
    is_open_ = false;
    settings_.memory->leave(*this);
}

void ReopeningSession::open() {
    const std::lock_guard held(settings_.memory->lock_);
    settings_.memory->make_room(settings_.size);
    SessionPtr opened = settings_.opener();
    {
        const std::lock_guard replacing(turn_);
        session_ = std::move(opened);
    }
    is_open_ = true;
    settings_.memory->enter(*this);
}

SessionPtr ReopeningSession::session() const {
    const std::lock_guard reading(turn_);
    return session_;
}

BufferPtr ReopeningSession::upload(const Array& array) { return session()->upload(array); }

BufferPtr ReopeningSession::empty(const Shape& shape, DType dtype) { return session()->empty(shape, dtype); }

void ReopeningSession::write(Buffer& buffer, const Array& array) { session()->write(buffer, array); }

BufferPtr ReopeningSession::take(const BufferPtr& buffer) { return session()->take(buffer); }

BufferPtr ReopeningSession::gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) {
    return session()->gather(buffer, rows, shape);
}

Buffers ReopeningSession::run(const Buffers& inputs, const Buffers& outputs) {
    const double began = perf_counter();
    const std::lock_guard held(settings_.memory->lock_);
    Clock::waited_since(began);
    ready();
    if (is_open_) settings_.memory->enter(*this);
    return session()->run(inputs, outputs);
}

std::map<std::string, int> ReopeningSession::placement() const { return session()->placement(); }

void ReopeningSession::wait() {
    const std::lock_guard held(settings_.memory->lock_);
    if (is_open_) session()->wait();
}

void ReopeningSession::trim() {
    const std::lock_guard held(settings_.memory->lock_);
    if (is_open_) session()->trim();
}

void ReopeningSession::close() {
    const std::lock_guard held(settings_.memory->lock_);
    rest();
    ended_ = true;
}

std::vector<ReopeningSession::FileState> ReopeningSession::identity(const std::filesystem::path& path) {
    std::vector<FileState> files;
    std::error_code failed;
    const std::filesystem::path folder = path.parent_path();
    for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
        struct stat state = {};
        if (::stat(at->path().c_str(), &state) != 0) throw system_error(errno, at->path());
        files.emplace_back(at->path().filename().string(), state.st_ino, static_cast<std::uint64_t>(state.st_size),
                           std::int64_t{state.st_mtim.tv_sec} * 1'000'000'000 + state.st_mtim.tv_nsec);
    }
    if (failed) throw system_error(failed.value(), folder);
    std::ranges::sort(files);
    return files;
}

bool reopen(Session& session) {
    auto* reopening = dynamic_cast<ReopeningSession*>(&session);
    return reopening && reopening->ready();
}

}  // namespace latentlink
