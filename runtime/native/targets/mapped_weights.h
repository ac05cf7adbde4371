// Memory-mapped weights whose pages are released while a runtime copies them.
//
// A runtime copies most weights into the layouts of its kernels. The mapped pages that it copied from still count as
// memory of the process: without releasing them, an engine would hold its weights twice.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <span>
#include <thread>

namespace latentlink {

// A mapped file of weights, which its readers must not outlive.
class MappedWeights {
  public:
    // Throws MachineError: the file cannot be read.
    explicit MappedWeights(const std::filesystem::path& path);
    ~MappedWeights();
    MappedWeights(const MappedWeights&) = delete;
    MappedWeights& operator=(const MappedWeights&) = delete;

    // Content of the file. A graph without weights gets one byte that it does not read, as an empty file has no memory.
    std::span<std::byte> bytes() const { return bytes_; }

    // Release the pages; those that are read again are loaded again, from the system's file cache.
    void release() const;

    // In the life of this object, the pages are released regularly.
    class Releasing {
      public:
        explicit Releasing(const MappedWeights& weights);
        ~Releasing();
        Releasing(const Releasing&) = delete;
        Releasing& operator=(const Releasing&) = delete;

      private:
        const MappedWeights& weights_;
        std::mutex lock_;
        std::condition_variable ending_;
        bool ended_ = false;
        std::thread thread_;
    };

  private:
    std::span<std::byte> bytes_;
};

}  // namespace latentlink
