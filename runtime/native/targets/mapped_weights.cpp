#include "targets/mapped_weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>

#include "vocabulary/files.h"

namespace latentlink {

namespace {

constexpr std::chrono::milliseconds BETWEEN{50};  // two releases

}  // namespace

MappedWeights::MappedWeights(const std::filesystem::path& path) {
    const InputFile checked(path);  // of a regular file, which is never waited for
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number() < 0) throw system_error(errno, path);
    // Private and writable, as OpenVINO requires; nothing is written to it.
    const bool empty = checked.size() == 0;
    const std::size_t size = empty ? 1 : checked.size();
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, empty ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_PRIVATE,
                          empty ? -1 : file.number(), 0);
    if (memory == MAP_FAILED) throw system_error(errno, path);
    bytes_ = {static_cast<std::byte*>(memory), size};
}

MappedWeights::~MappedWeights() { ::munmap(bytes_.data(), bytes_.size()); }

void MappedWeights::release() const { ::madvise(bytes_.data(), bytes_.size(), MADV_DONTNEED); }

MappedWeights::Releasing::Releasing(const MappedWeights& weights)
    : weights_(weights), thread_([this] {
          std::unique_lock held(lock_);
          while (!ending_.wait_for(held, BETWEEN, [this] { return ended_; })) weights_.release();
      }) {}

MappedWeights::Releasing::~Releasing() {
    {
        const std::lock_guard held(lock_);
        ended_ = true;
    }
    ending_.notify_one();
    thread_.join();
    weights_.release();
}

}  // namespace latentlink
