// The number of processors that this process may use: those of its affinity, within the CPU quota of its container.
#pragma once

#include <filesystem>
#include <optional>

namespace latentlink {

// Where the kernel says what groups a process is in and where their folders are; other files in tests.
struct ControlGroups {
    std::filesystem::path groups = "/proc/self/cgroup";
    std::filesystem::path mounts = "/proc/self/mountinfo";
};

// The number of threads that can run at once, at least 1: the default for everything that computes. A fractional quota
// is rounded up: fewer threads could not use all of it.
int processors(const ControlGroups& groups = {});

// The CPU time per second that the process's control groups grant, in processors, such as 1.5: the smallest quota of
// its group and of all groups around it, in cgroup v1 and v2. None without a quota.
std::optional<double> cpu_quota(const ControlGroups& groups = {});

}  // namespace latentlink
