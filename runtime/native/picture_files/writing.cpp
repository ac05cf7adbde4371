#include "picture_files/writing.h"

#include "picture_files/formats.h"
#include "picture_files/parameters.h"
#include "picture_files/png.h"
#include "vocabulary/files.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

Encoded encoded(const Image& image, const Record* record) {
    if (record == nullptr) return {png_bytes(image, {}), {}};
    Chunks chunks = chunks_for(record->to_text(), parameters_of(*record).to_text());
    return {png_bytes(image, chunks.texts), std::move(chunks.left_out)};
}

// OUT-1.png, OUT-2.png, ... of OUT.png.
std::filesystem::path numbered(const std::filesystem::path& output, std::size_t number) {
    std::filesystem::path name = output.stem();
    name += "-" + std::to_string(number);
    name += output.extension();
    return output.parent_path() / name;
}

}  // namespace

Saved save_pictures(std::span<const Image> images, const std::filesystem::path& output, std::span<const Record> records,
                    std::optional<int> quality) {
    check_picture(output, quality);
    Saved made;
    for (std::size_t i = 0; i < images.size(); ++i) {
        const auto name = images.size() > 1 ? numbered(output, i + 1) : output;
        const Encoded file = encoded(images[i], records.empty() ? nullptr : &records[i]);
        atomic_file(name, [&file](const std::filesystem::path& part) { write_file(part, file.bytes); });
        for (const std::string& sentence : file.left_out)
            made.left_out.push_back(repr(name.string()) + ": " + sentence);
        made.files.push_back(name);
    }
    return made;
}

Encoded picture_bytes(const Image& image, std::string_view format, const Record* record, std::optional<int> quality) {
    std::string ending = lower(format);
    ending.erase(0, ending.find_first_not_of('.'));
    check_picture("picture." + ending, quality);
    Encoded made = encoded(image, record);
    for (std::string& sentence : made.left_out) sentence = "A picture: " + sentence;
    return made;
}

}  // namespace latentlink
