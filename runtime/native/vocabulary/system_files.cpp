#include "vocabulary/system_files.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "vocabulary/files.h"

namespace latentlink {

namespace {

constexpr std::size_t PIECE = 1 << 16;   // bytes that are read at a time
constexpr std::size_t MOST = 16u << 20;  // bytes of a file: /proc/cpuinfo of the largest machine has some

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

std::optional<std::string> read_system_file(const std::filesystem::path& path) {
    try {
        const InputFile file(path);
        std::string text;
        while (text.size() < MOST) {
            const std::size_t before = text.size();
            text.resize(before + PIECE);
            const auto into = std::as_writable_bytes(std::span(text)).subspan(before);
            const std::size_t count = file.read(before, into);
            text.resize(before + count);
            if (count == 0) break;
        }
        return text;
    } catch (const MachineError&) {
        return std::nullopt;
    }
}

std::vector<std::string> system_lines(const std::filesystem::path& path) {
    std::vector<std::string> lines = split(read_system_file(path).value_or(""), '\n');
    if (lines.back().empty()) lines.pop_back();
    return lines;
}

std::vector<std::string> split(std::string_view text, char separator, std::size_t most) {
    std::vector<std::string> parts;
    while (parts.size() + 1 < most) {
        const std::size_t end = text.find(separator);
        if (end == std::string_view::npos) break;
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    parts.emplace_back(text);
    return parts;
}

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> found;
    for (auto at = text.begin(); at != text.end();) {
        const auto begin = std::find_if_not(at, text.end(), is_space);
        at = std::find_if(begin, text.end(), is_space);
        if (begin != at) found.emplace_back(begin, at);
    }
    return found;
}

bool is_inside(const std::filesystem::path& path, const std::filesystem::path& folder) {
    return std::ranges::mismatch(folder, path).in1 == folder.end();
}

}  // namespace latentlink
