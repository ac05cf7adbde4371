// A memory budget for the open engines: the least recently used are closed to make room for the next one.
#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "sessions/session.h"

namespace latentlink {

class ReopeningSession;

// The engines that share a budget of bytes of their files; the memory that runs need is not counted.
//
// One thread at a time makes room and runs, so that no other thread closes the engine that it is about to run. Runs on
// the CPU are therefore serial, as a budget for one engine requires; runs on a GPU are only enqueued.
class EngineMemory {
  public:
    // Throws UsageError: the budget is no number of bytes above 0.
    explicit EngineMemory(std::int64_t budget);

    std::uint64_t budget() const { return budget_; }

    // Bytes of the files of the open engines.
    std::uint64_t used() const;

    // Refuse an engine, such as `denoiser of demo`, that could never be opened.
    // Throws UsageError: its files are larger than the budget.
    void check(std::string_view title, std::uint64_t size) const;

  private:
    friend class ReopeningSession;

    void make_room(std::uint64_t size);     // close engines until one of this size fits
    void enter(ReopeningSession& session);  // record that an engine was opened, or runs
    void leave(ReopeningSession& session);  // record that an engine was closed

    std::uint64_t budget_;
    mutable std::recursive_mutex lock_;    // held from making room for an engine until it has run, or is open
    std::vector<ReopeningSession*> open_;  // the least recently used first
};

// An engine that is closed when another one needs its room, and opened again when it runs; it starts open.
class ReopeningSession final : public Session {
  public:
    struct Settings {
        std::string title;           // for messages, such as `denoiser of demo`
        std::filesystem::path path;  // the engine's file; its weights lie beside it
        std::uint64_t size;          // bytes of its files
        std::function<SessionPtr()> opener;
        std::shared_ptr<EngineMemory> memory;
    };

    // Throws UsageError: it is larger than the budget; and what the opener throws.
    explicit ReopeningSession(Settings settings);
    ~ReopeningSession() override;

    ReopeningSession(const ReopeningSession&) = delete;
    ReopeningSession& operator=(const ReopeningSession&) = delete;

    // Open the engine if it was closed to make room; returns whether it was.
    // Throws BundleError: its files are no longer those that it was first opened from.
    bool ready();

    // Close it until it runs again. The closed session can still make buffers.
    void rest();

    std::uint64_t size() const { return settings_.size; }

    const std::vector<Port>& inputs() const override { return inputs_; }
    const std::vector<Port>& outputs() const override { return outputs_; }
    BufferPtr upload(const Array& array) override;
    BufferPtr empty(const Shape& shape, DType dtype) override;
    void write(Buffer& buffer, const Array& array) override;
    BufferPtr take(const BufferPtr& buffer) override;
    BufferPtr gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) override;
    Buffers run(const Buffers& inputs, const Buffers& outputs) override;
    std::map<std::string, int> placement() const override;
    void wait() override;
    void trim() override;
    void close() override;

  private:
    // What changes when a file is replaced: its name, inode, size and time of change.
    using FileState = std::tuple<std::string, std::uint64_t, std::uint64_t, std::int64_t>;

    void open();
    SessionPtr session() const;  // the present one
    static std::vector<FileState> identity(const std::filesystem::path& path);

    Settings settings_;
    bool is_open_ = false, ended_ = false;
    std::vector<FileState> files_;
    mutable std::mutex turn_;  // of who reads or replaces `session_`, which runs hold for a moment only
    SessionPtr session_;
    std::vector<Port> inputs_, outputs_;
};

// Make a session ready to run; returns whether it had been closed to make room.
bool reopen(Session& session);

}  // namespace latentlink
