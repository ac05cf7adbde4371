// Reading picture files: the picture, and how it was made. PNG and JPEG are read here, and no other format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "picture_files/image.h"
#include "picture_files/parameters.h"
#include "picture_files/record.h"

namespace latentlink {

// What a picture's file says of itself.
struct PictureFile {
    std::filesystem::path path;
    std::string format;                    // `PNG`, `JPEG`, or `MPO`: several JPEG pictures in one file
    std::int64_t width, height;            // in pixels, as the file has them
    std::optional<Record> record = {};     // how latentlink made it
    std::optional<std::string> text = {};  // the text `parameters`, as this or another program wrote it

    // The text taken apart; none if there is none, or it has no settings.
    std::optional<Parameters> parameters() const;
};

// Read a picture from a file, rotated as its EXIF data say. Transparency is dropped, which shows the colours under it;
// 16 bits of grey are rounded to 8, those of colours are cut.
// Throws UsageError: there is no such file, it is too large, of a format that is not read here, or damaged.
Image read_picture(const std::filesystem::path& path);

// Read how a picture was made from its file, without unpacking its pixels. Files by anyone are read safely.
// Throws UsageError: as from `read_picture`, or what it says of itself is damaged.
PictureFile read_picture_file(const std::filesystem::path& path);

}  // namespace latentlink
