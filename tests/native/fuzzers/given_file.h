// What a fuzzer is given as a file, for readers that take a path.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace latentlink {

// A file in memory, which is removed with this object.
class GivenFile {
  public:
    GivenFile(const std::uint8_t* data, std::size_t size)
        : path_("/dev/shm/latentlink-fuzz-" + std::to_string(::getpid())) {
        const int made = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (made < 0 || ::write(made, data, size) != static_cast<ssize_t>(size) || ::close(made) != 0) std::abort();
    }
    GivenFile(const GivenFile&) = delete;
    GivenFile& operator=(const GivenFile&) = delete;
    ~GivenFile() { ::unlink(path_.c_str()); }

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

}  // namespace latentlink
