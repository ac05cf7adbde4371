#include "vocabulary/processors.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <thread>

#include "vocabulary/system_files.h"

namespace latentlink {
namespace {

namespace fs = std::filesystem;

constexpr int MOST_PROCESSORS = 1 << 20;  // that a mask is made for

// Processors in the affinity of this process.
int usable() {
    for (int size = 1024; size <= MOST_PROCESSORS; size *= 2) {  // the kernel's mask may be larger than glibc's
        const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(static_cast<std::size_t>(size)),
                                                                   [](cpu_set_t* old) { CPU_FREE(old); });
        const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
        if (set != nullptr && ::sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    }
    return static_cast<int>(std::thread::hardware_concurrency());
}

// The numbers that a file holds; none where there is another word, such as `max`.
std::vector<double> numbers_in(std::string_view text) {
    std::vector<double> numbers;
    for (const std::string& word : words(text)) {
        double number = 0;
        const auto read = std::from_chars(word.data(), word.data() + word.size(), number);
        if (read.ec != std::errc() || read.ptr != word.data() + word.size()) return {};
        numbers.push_back(number);
    }
    return numbers;
}

// Processors that one control group grants; none if it sets no limit.
std::optional<double> quota_of(const fs::path& folder) {
    const auto version_2 = read_system_file(folder / "cpu.max");  // "50000 100000", or "max 100000"
    const std::vector<double> found =
        numbers_in(version_2 ? *version_2
                             : read_system_file(folder / "cpu.cfs_quota_us").value_or("") + " " +
                                   read_system_file(folder / "cpu.cfs_period_us").value_or(""));
    const bool limits = found.size() == 2 && found[0] > 0 && found[1] != 0;  // version 1: -1 for no limit
    return limits ? std::optional(found[0] / found[1]) : std::nullopt;
}

// A path of mountinfo, in which a space is written as its octal number, `\040`.
std::string unescape(const std::string& field) {
    std::string text;
    for (std::size_t at = 0; at < field.size(); ++at) {
        unsigned code = 0;
        const bool escaped =
            field[at] == '\\' && at + 3 < field.size() &&
            std::from_chars(field.data() + at + 1, field.data() + at + 4, code, 8).ptr == field.data() + at + 4;
        text += escaped ? static_cast<char>(code) : field[at];
        if (escaped) at += 3;
    }
    return text;
}

// By kind of hierarchy, `cgroup2` or `cgroup`, the process's group in it.
std::map<std::string, fs::path> own_groups(const fs::path& file) {
    std::map<std::string, fs::path> groups;
    for (const std::string& line : system_lines(file)) {
        const std::vector<std::string> fields = split(line, ':', 3);
        if (fields.size() != 3) continue;
        const std::vector<std::string> controllers = split(fields[1], ',');
        if (fields[0] == "0") {
            groups["cgroup2"] = fields[2];
        } else if (std::ranges::find(controllers, "cpu") != controllers.end()) {
            groups["cgroup"] = fields[2];
        }
    }
    return groups;
}

// The folders of a group and of those around it, within its mount.
std::vector<fs::path> folders_of(const fs::path& own, const fs::path& root, const fs::path& mount) {
    const bool inside = is_inside(own, root) && std::ranges::find(own, fs::path("..")) == own.end();
    fs::path folder = inside ? mount / own.lexically_relative(root) : mount;
    folder = (folder / "").lexically_normal().parent_path();
    std::vector<fs::path> folders;
    for (; is_inside(folder, mount); folder = folder.parent_path()) {
        folders.push_back(folder);
        if (folder == folder.parent_path()) break;
    }
    return folders;
}

// The folders of the process's groups, of every hierarchy that can hold a quota; proc_pid_mountinfo(5).
std::vector<fs::path> folders(const ControlGroups& where) {
    const std::map<std::string, fs::path> groups = own_groups(where.groups);
    std::vector<fs::path> found;
    for (const std::string& line : system_lines(where.mounts)) {
        const std::size_t middle = line.find(" - ");
        if (middle == std::string::npos) continue;
        const std::vector<std::string> place = split(line.substr(0, middle), ' ');
        const std::vector<std::string> system = split(line.substr(middle + 3), ' ', 3);
        if (place.size() < 5 || system.size() < 3 || !groups.contains(system[0])) continue;
        const std::vector<std::string> options = split(system[2], ',');
        if (system[0] == "cgroup" && std::ranges::find(options, "cpu") == options.end()) continue;
        for (fs::path& folder : folders_of(groups.at(system[0]), unescape(place[3]), unescape(place[4]))) {
            found.push_back(std::move(folder));
        }
    }
    return found;
}

}  // namespace

int processors(const ControlGroups& groups) {
    const int most = std::max(1, usable());
    const std::optional<double> quota = cpu_quota(groups);
    return quota && *quota < most ? std::max(1, static_cast<int>(std::ceil(*quota))) : most;
}

std::optional<double> cpu_quota(const ControlGroups& groups) {
    std::optional<double> least;
    for (const fs::path& folder : folders(groups)) {
        const std::optional<double> quota = quota_of(folder);
        if (quota && (!least || *quota < *least)) least = quota;
    }
    return least;
}

}  // namespace latentlink
