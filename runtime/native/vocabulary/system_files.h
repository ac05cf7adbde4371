// Small files in which the kernel says something, such as those of /proc, whose size is unknown before they are read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace latentlink {

// The file's text; none where there is no such file, or it cannot be read.
std::optional<std::string> read_system_file(const std::filesystem::path& path);

// Its lines; none where there is no such file.
std::vector<std::string> system_lines(const std::filesystem::path& path);

// Parts between single separators: one more than there are separators, `most` at most.
std::vector<std::string> split(std::string_view text, char separator, std::size_t most = SIZE_MAX);

// Text between white space.
std::vector<std::string> words(std::string_view text);

// Whether a path is another one or inside of it, by their names alone.
bool is_inside(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace latentlink
