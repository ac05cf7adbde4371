// Where a file carries the record and the text `parameters`, in bytes: PNG chunks, EXIF, XMP.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace latentlink {

// What a file's blocks say, before anyone took it apart. Bytes as they stand in the file.
struct Blocks {
    std::vector<std::pair<std::string, std::string>> texts = {};  // of PNG, by keyword, in UTF-8; the last one counts
    std::optional<std::string> exif = {};                         // with or without its name, `Exif\0\0`
    std::optional<std::string> xmp = {};
    bool forgives_exif = false;  // whether damaged EXIF data have no text, and are not refused for it

    // The text of a keyword; null if there is none.
    const std::string* text(std::string_view keyword) const;

    // Add a text, which takes the place of an earlier one of the same keyword.
    void set_text(const std::string& keyword, std::string text);
};

// The record and the text `parameters` of a file, unchecked.
struct FileTexts {
    std::optional<std::string> record = {};
    std::optional<std::string> text = {};
};

// Throws UsageError: one of them is longer than `MOST_TEXT`; Damaged: EXIF data do not begin as such.
FileTexts texts_of(const Blocks& blocks);

// How a picture is to be turned, 1 to 8, as EXIF or XMP say; 1 if they do not say it.
// Throws Damaged: EXIF data do not begin as such.
int orientation_of(const Blocks& blocks);

// What a PNG file carries: keywords with their texts, and a sentence for each that is too long.
struct Chunks {
    std::vector<std::pair<std::string, std::string>> texts = {};
    std::vector<std::string> left_out = {};
};

Chunks chunks_for(const std::string& record, const std::string& text);

}  // namespace latentlink
