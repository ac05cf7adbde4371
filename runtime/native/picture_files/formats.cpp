#include "picture_files/formats.h"

#include <algorithm>
#include <array>
#include <utility>

#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

using namespace std::string_view_literals;

// Endings of the formats that Python reads and writes, by Pillow's names.
constexpr std::array ENDINGS = {
    std::pair{".png"sv, "PNG"sv},    std::pair{".apng"sv, "PNG"sv},  std::pair{".jpg"sv, "JPEG"sv},
    std::pair{".jpeg"sv, "JPEG"sv},  std::pair{".jpe"sv, "JPEG"sv},  std::pair{".jfif"sv, "JPEG"sv},
    std::pair{".mpo"sv, "MPO"sv},    std::pair{".webp"sv, "WEBP"sv}, std::pair{".avif"sv, "AVIF"sv},
    std::pair{".avifs"sv, "AVIF"sv}, std::pair{".gif"sv, "GIF"sv},   std::pair{".bmp"sv, "BMP"sv},
    std::pair{".tif"sv, "TIFF"sv},   std::pair{".tiff"sv, "TIFF"sv}, std::pair{".ppm"sv, "PPM"sv},
    std::pair{".pgm"sv, "PPM"sv},    std::pair{".pbm"sv, "PPM"sv},   std::pair{".pnm"sv, "PPM"sv},
    std::pair{".pfm"sv, "PPM"sv},
};

// What a file of each format begins with.
constexpr std::array MAGIC = {
    std::pair{"\x89PNG\r\n\x1a\n"sv, "PNG"sv},
    std::pair{"\xff\xd8\xff"sv, "JPEG"sv},
    std::pair{"GIF87a"sv, "GIF"sv},
    std::pair{"GIF89a"sv, "GIF"sv},
    std::pair{"BM"sv, "BMP"sv},
    std::pair{"II*\0"sv, "TIFF"sv},
    std::pair{"MM\0*"sv, "TIFF"sv},
    std::pair{"P1"sv, "PPM"sv},
    std::pair{"P2"sv, "PPM"sv},
    std::pair{"P3"sv, "PPM"sv},
    std::pair{"P4"sv, "PPM"sv},
    std::pair{"P5"sv, "PPM"sv},
    std::pair{"P6"sv, "PPM"sv},
    std::pair{"Pf"sv, "PPM"sv},
};

}  // namespace

std::optional<std::string> format_of(const std::filesystem::path& path) {
    const std::string ending = lower(path.extension().string());
    const auto* found = std::ranges::find(ENDINGS, ending, [](const auto& one) { return one.first; });
    if (found != ENDINGS.end()) return std::string(found->second);
    return is_stream(path) ? std::optional<std::string>("PNG") : std::nullopt;
}

std::optional<std::string> format_of_bytes(std::string_view head) {
    for (const auto& [magic, format] : MAGIC) {
        if (head.starts_with(magic)) return std::string(format);
    }
    if (head.starts_with("RIFF") && head.substr(0, 12).ends_with("WEBP")) return "WEBP";
    if (head.size() >= 12 && (head.substr(4, 8) == "ftypavif" || head.substr(4, 8) == "ftypavis")) return "AVIF";
    return std::nullopt;
}

std::string title_of(std::string_view format) { return format == "WEBP" ? "WebP" : std::string(format); }

void check_picture(const std::filesystem::path& output, std::optional<int> quality) {
    const auto format = format_of(output);
    if (!format) throw UsageError(repr(output.string()) + " does not end as a picture's file does; expected .png.");
    if (*format != "PNG") {
        const std::string name = title_of(*format);
        throw UsageError(
            repr(output.string()) + " is of the format " + name + "; expected .png, which is written here.",
            "Write .png, or use latentlink for Python, which writes " + name + ".");
    }
    if (!quality) return;
    if (*quality < 1 || *quality > 100) {
        throw UsageError("quality is " + std::to_string(*quality) + "; expected a whole number from 1 to 100.");
    }
    throw UsageError("quality is " + std::to_string(*quality) + ", but a PNG file has none.",
                     "Leave quality out, or use latentlink for Python, which writes .jpg, .webp and .avif.");
}

}  // namespace latentlink
