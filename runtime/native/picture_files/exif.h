// EXIF: fields in the two directories of a small TIFF file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace latentlink {

// What EXIF says that is read here.
struct ExifFields {
    std::optional<int> orientation = {};      // how the picture is to be turned, 1 to 8, or a number without meaning
    std::optional<std::string> comment = {};  // UserComment, with the code of its characters
};

// Fields of EXIF, which may begin with its name, `Exif\0\0`, once or twice. Fields that are damaged are left out.
// Throws Damaged: its header is not that of TIFF.
ExifFields exif_fields(std::string_view exif);

// Number of pictures that the index of an MPO file names; none if it is damaged.
std::optional<std::uint64_t> pictures_of_index(std::string_view index);

}  // namespace latentlink
