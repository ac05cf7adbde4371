// The formats of picture files: which are read and written here, and the names that they go by.
#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace latentlink {

// Most bytes of one text that a file carries, written or read.
inline constexpr std::size_t MOST_TEXT = std::size_t{1} << 20;

// Most bytes of a picture's file.
inline constexpr std::uintmax_t MAX_BYTES = std::uintmax_t{1} << 28;

// The format that a file's ending stands for, by Pillow's name: `PNG`, `JPEG`, `WEBP`, ...; PNG for a device or pipe
// without one; none if it is the ending of none.
std::optional<std::string> format_of(const std::filesystem::path& path);

// The format of a file that begins with these bytes, by Pillow's name; none if it is none that Python reads.
std::optional<std::string> format_of_bytes(std::string_view head);

// A format's name for people.
std::string title_of(std::string_view format);

// Check the name of a picture file before the work, not after it. `quality` is the requested one.
// Throws UsageError: its ending is that of no picture, or of one that only Python writes, or PNG has no quality.
void check_picture(const std::filesystem::path& output, std::optional<int> quality = {});

}  // namespace latentlink
