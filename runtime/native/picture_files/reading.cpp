#include "picture_files/reading.h"

#include <variant>

#include "picture_files/damaged.h"
#include "picture_files/formats.h"
#include "picture_files/jpeg.h"
#include "picture_files/png.h"
#include "picture_files/record_reader.h"
#include "picture_files/turning.h"
#include "request/pictures.h"
#include "vocabulary/checks.h"
#include "vocabulary/files.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

// An open picture's file.
struct Opened {
    std::string bytes;
    std::variant<PngHead, JpegHead> head;

    const Blocks& blocks() const {
        return std::visit([](const auto& one) -> const Blocks& { return one.blocks; }, head);
    }
    std::int64_t width() const {
        return std::visit([](const auto& one) { return one.width; }, head);
    }
    std::int64_t height() const {
        return std::visit([](const auto& one) { return one.height; }, head);
    }
    std::string format() const {
        const auto* jpeg = std::get_if<JpegHead>(&head);
        return jpeg == nullptr ? "PNG" : jpeg->several ? "MPO" : "JPEG";
    }
    Image pixels() {
        if (auto* png = std::get_if<PngHead>(&head)) return png_pixels(bytes, *png);
        return jpeg_pixels(bytes, std::get<JpegHead>(head));
    }
};

std::string bytes_of_file(const std::filesystem::path& path) {
    try {
        if (auto bytes = read_file(path, MAX_BYTES)) return std::move(*bytes);
    } catch (const MachineError& error) {
        throw Damaged(error.message().substr(0, error.message().find_last_not_of('.') + 1));
    }
    throw UsageError(repr(path.string()) + " has " + std::to_string(std::filesystem::file_size(path)) +
                     " bytes; expected a picture of at most " + std::to_string(MAX_BYTES) + ".");
}

Opened opened(const std::filesystem::path& path) {
    Opened made{bytes_of_file(path), {}};
    const auto format = format_of_bytes(std::string_view(made.bytes).substr(0, 16));
    if (format == "PNG") {
        made.head = png_head(made.bytes);
    } else if (format == "JPEG") {
        made.head = jpeg_head(made.bytes);
    } else if (format) {
        throw UsageError(repr(path.string()) + " is of the format " + title_of(*format) +
                             "; expected PNG or JPEG, which are read here.",
                         "Convert it to PNG, or use latentlink for Python, which reads " + title_of(*format) + ".");
    } else {
        throw Damaged("it begins as no known format does");
    }
    check_pixels(repr(path.string()), made.width(), made.height());
    return made;
}

// Call `read`; all that is damaged is the file's fault.
template <typename Read>
auto named(const std::filesystem::path& path, Read read) {
    check_input(path, "a picture");
    try {
        return read();
    } catch (const Damaged& error) {
        throw UsageError(repr(path.string()) + " is not a picture that can be read (" + error.message() + ").");
    }
}

Record record_in(const std::string& text, const std::filesystem::path& path) {
    try {
        return read_record(text);
    } catch (const UsageError& error) {
        std::string reason = error.what();
        reason.erase(reason.find_last_not_of('.') + 1);
        throw UsageError("how " + repr(path.string()) + " was made cannot be read: " + reason + ".");
    }
}

}  // namespace

std::optional<Parameters> PictureFile::parameters() const { return text ? read_parameters(*text) : std::nullopt; }

Image read_picture(const std::filesystem::path& path) {
    return named(path, [&path] {
        Opened file = opened(path);
        const Image image = file.pixels();
        return turned(image, orientation_of(file.blocks()));
    });
}

PictureFile read_picture_file(const std::filesystem::path& path) {
    return named(path, [&path] {
        const Opened file = opened(path);
        FileTexts texts = texts_of(file.blocks());
        PictureFile made{.path = path, .format = file.format(), .width = file.width(), .height = file.height()};
        if (texts.record) made.record = record_in(*texts.record, path);
        made.text = std::move(texts.text);
        return made;
    });
}

}  // namespace latentlink
