// Memory that this process can still take: the machine's, or what its control groups leave (containers).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace latentlink {

// Where the kernel says it; other files in tests.
struct MemoryFiles {
    std::filesystem::path meminfo = "/proc/meminfo";
    std::filesystem::path cgroup = "/proc/self/cgroup";
    std::filesystem::path groups = "/sys/fs/cgroup";
};

// Bytes that can be taken without swapping or being killed; none where the system does not report it.
std::optional<std::int64_t> free_memory(const MemoryFiles& files = {});

}  // namespace latentlink
