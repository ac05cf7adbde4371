// Checks of arguments, where they enter: each says what was received and what was expected.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace latentlink {

// Threads of one run: more would take gigabytes for their stacks and be no faster.
inline constexpr int MAX_THREADS = 1024;

// A whole number from `least` to `most`.
// Throws UsageError: it is not.
int whole(std::string_view name, std::int64_t value, int least, int most);

// Threads of a run, from 1 to MAX_THREADS.
// Throws UsageError: it is not in that range.
inline int check_threads(std::int64_t value) { return whole("threads", value, 1, MAX_THREADS); }

// A number of bytes above 0.
// Throws UsageError: it is not.
std::int64_t byte_count(std::string_view name, std::int64_t value);

// One of the known texts.
// Throws UsageError: it is none of them.
std::string choice(std::string_view name, std::string_view value, std::span<const std::string_view> known);

// A path that the system can look up, written as Python's pathlib does: `a/b` for `./a//b/`.
// Throws UsageError: it is empty, or no possible path.
std::filesystem::path path_of(std::string_view name, std::string_view value);

// A path to read from, if a regular file is there; links are followed. `expected` is for the message: `a picture`.
// Throws UsageError: nothing is there, or a folder, device, pipe or socket; MachineError: it cannot be looked at.
std::filesystem::path check_input(const std::filesystem::path& path, std::string_view expected);

}  // namespace latentlink
