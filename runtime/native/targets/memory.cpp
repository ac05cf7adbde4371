#include "targets/memory.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "vocabulary/system_files.h"

namespace latentlink {
namespace {

namespace fs = std::filesystem;

// The files of a control group's limit and use, and the key in `memory.stat` of cached files, which the kernel gives
// back.
struct Version {
    std::string_view controller;  // in /proc/self/cgroup; none in version 2
    const char *limit, *used, *cached;
};
constexpr Version VERSIONS[] = {
    {"", "memory.max", "memory.current", "inactive_file"},
    {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
};

std::optional<std::int64_t> whole_number(const std::vector<std::string>& found) {
    if (found.size() != 1) return std::nullopt;
    std::int64_t number = 0;
    const char* end = found[0].data() + found[0].size();
    const auto read = std::from_chars(found[0].data(), end, number);
    if (read.ec == std::errc::result_out_of_range) return INT64_MAX;  // version 1 has nearly 2^63 for no limit
    return read.ec == std::errc() && read.ptr == end ? std::optional(number) : std::nullopt;
}

std::optional<std::int64_t> number_in(const fs::path& file) {
    return whole_number(words(read_system_file(file).value_or("")));
}

// What one control group leaves; none if it has no limit.
std::optional<std::int64_t> left_in(const fs::path& folder, const Version& version) {
    const auto most = number_in(folder / version.limit);  // "max" is no number
    const auto used = number_in(folder / version.used);
    const auto stat = read_system_file(folder / "memory.stat");
    if (!most || !used || !stat) return std::nullopt;
    std::int64_t cached = 0;
    for (const std::string& line : split(*stat, '\n')) {
        const std::vector<std::string> fields = words(line);
        if (fields.size() == 2 && fields[0] == version.cached) cached = whole_number({fields[1]}).value_or(0);
    }
    std::int64_t left = 0;
    if (__builtin_sub_overflow(*most, *used, &left) || __builtin_add_overflow(left, cached, &left)) return INT64_MAX;
    return std::max<std::int64_t>(left, 0);
}

std::vector<std::int64_t> of_machine(const fs::path& meminfo) {
    for (const std::string& line : system_lines(meminfo)) {
        const std::vector<std::string> fields = words(line);
        if (fields.size() < 2 || fields[0] != "MemAvailable:") continue;
        if (const auto kilobytes = whole_number({fields[1]}); kilobytes && *kilobytes < INT64_MAX / 1024) {
            return {*kilobytes * 1024};
        }
    }
    return {};
}

// What every control group of this process leaves; a group without a limit has none to tell.
std::vector<std::int64_t> of_groups(const MemoryFiles& files) {
    std::vector<std::int64_t> found;
    for (const std::string& line : system_lines(files.cgroup)) {
        const std::vector<std::string> fields = split(line, ':', 3);
        if (fields.size() != 3) continue;
        const std::vector<std::string> controllers = split(fields[1], ',');
        for (const Version& version : VERSIONS) {
            if (std::ranges::find(controllers, version.controller) == controllers.end()) continue;
            const fs::path top = (files.groups / version.controller / "").lexically_normal().parent_path();
            const fs::path own = fs::path(fields[2]).relative_path();
            // in a container the path may be the host's, and only the top is there
            for (fs::path folder = (top / own / "").parent_path(); is_inside(folder, top);
                 folder = folder.parent_path()) {
                if (const auto left = left_in(folder, version)) found.push_back(*left);
                if (folder == folder.parent_path()) break;
            }
        }
    }
    return found;
}

}  // namespace

std::optional<std::int64_t> free_memory(const MemoryFiles& files) {
    std::vector<std::int64_t> found = of_machine(files.meminfo);
    for (const std::int64_t left : of_groups(files)) found.push_back(left);
    return found.empty() ? std::nullopt : std::optional(std::ranges::min(found));
}

}  // namespace latentlink
