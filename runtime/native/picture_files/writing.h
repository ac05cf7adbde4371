// Writing picture files: names, and how each picture was made. PNG is written here, and no other format.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "picture_files/image.h"
#include "picture_files/record.h"

namespace latentlink {

// The files that were written, in the order of the pictures, and a sentence for each text that did not fit.
struct Saved {
    std::vector<std::filesystem::path> files = {};
    std::vector<std::string> left_out = {};
};

// Write pictures, each atomically: OUT.png, or OUT-1.png, OUT-2.png, ... if there are several. `records` says how each
// was made; it is empty for pictures that do not say it.
// Throws UsageError: the name does not fit, or there is a quality; MachineError: a file cannot be written.
Saved save_pictures(std::span<const Image> images, const std::filesystem::path& output,
                    std::span<const Record> records = {}, std::optional<int> quality = {});

// The bytes of a picture's file, and the sentences of `Saved`.
struct Encoded {
    std::string bytes;
    std::vector<std::string> left_out = {};
};

// `format` is `PNG`, or a file's ending; `record` may be null.
// Throws UsageError: there is no such format here, or there is a quality.
Encoded picture_bytes(const Image& image, std::string_view format = "PNG", const Record* record = nullptr,
                      std::optional<int> quality = {});

}  // namespace latentlink
