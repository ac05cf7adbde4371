#include "picture_files/exif.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "picture_files/bytes.h"

namespace latentlink {
namespace {

using namespace std::string_view_literals;

constexpr std::uint16_t ORIENTATION = 0x0112, EXIF_DIRECTORY = 0x8769, USER_COMMENT = 0x9286, PICTURES = 0xB001,
                        ENTRIES = 0xB002;

// Of an index: bytes of an entry, and the bits of its first number that name another format than JPEG.
constexpr std::size_t ENTRY = 16;
constexpr std::uint64_t FORMAT = 7 << 24;

// Types of a field's value, and the bytes of one (TIFF 6.0, section 2; 16 to 18 of BigTIFF).
enum Type : std::uint16_t { BYTE = 1, SHORT = 3, LONG = 4, SIGNED_BYTE = 6, UNDEFINED = 7, DIRECTORY = 13, LONG8 = 16 };
constexpr std::size_t SIZES[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};

struct Field {
    std::uint16_t type;
    std::string_view data;
};

using Directory = std::map<std::uint16_t, Field>;

// A TIFF file in memory.
class Tiff {
  public:
    explicit Tiff(std::string_view bytes) : bytes_(bytes), high_first_(bytes.starts_with("MM")) {
        const std::string_view magic = bytes.substr(0, 4);
        // Both orders of its version's bytes are found in cameras' files.
        if (magic != "MM\0*"sv && magic != "II*\0"sv && magic != "MM*\0"sv && magic != "II\0*"sv) {
            throw Damaged("its EXIF data do not begin as TIFF does");
        }
        first_ = whole_at(bytes, 4, 4, high_first_);
    }

    Directory first() const { return directory(first_); }

    // The fields of the directory at a place, as far as they are whole; of several with one tag the first.
    Directory directory(std::uint64_t at) const {
        Directory made;
        if (at > bytes_.size() || bytes_.size() - at < 2) return made;
        const auto count = number(bytes_, static_cast<std::size_t>(at), 2);
        std::size_t total = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t place = at + 2 + 12 * i;
            if (place + 12 > bytes_.size()) break;
            const auto entry = bytes_.substr(static_cast<std::size_t>(place), 12);
            const auto tag = static_cast<std::uint16_t>(number(entry, 0, 2));
            const auto type = static_cast<std::uint16_t>(number(entry, 2, 2));
            if (made.contains(tag) || type >= std::size(SIZES) || SIZES[type] == 0) continue;
            const std::uint64_t size = number(entry, 4, 4) * SIZES[type];
            if (size == 0) continue;
            if (size <= 4) {
                made[tag] = {type, entry.substr(8, static_cast<std::size_t>(size))};
                continue;
            }
            // Fields may share bytes, but altogether they are not more than the file has.
            if (size > bytes_.size() - total) continue;
            total += static_cast<std::size_t>(size);
            const std::uint64_t offset = number(entry, 8, 4);
            if (offset + size > bytes_.size()) break;
            made[tag] = {type, bytes_.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(size))};
        }
        return made;
    }

    // Whether a field holds so many entries of 16 bytes, each of them of a JPEG picture.
    bool has_entries(const Directory& directory, std::uint16_t tag, std::uint64_t count) const {
        const auto found = directory.find(tag);
        if (found == directory.end()) return false;
        const auto [type, data] = found->second;
        if ((type != BYTE && type != UNDEFINED) || data.size() / ENTRY < count) return false;
        for (std::size_t i = 0; i < count; ++i) {
            if ((number(data, i * ENTRY, 4) & FORMAT) != 0) return false;
        }
        return true;
    }

    // A field's first number, if it is a whole one.
    std::optional<std::int64_t> whole(const Directory& directory, std::uint16_t tag) const {
        const auto found = directory.find(tag);
        if (found == directory.end()) return std::nullopt;
        const auto [type, data] = found->second;
        switch (type) {
            case SHORT:
            case LONG:
            case DIRECTORY:
            case LONG8: return static_cast<std::int64_t>(number(data, 0, SIZES[type]));
            case SIGNED_BYTE: return static_cast<signed char>(data[0]);
            default: return std::nullopt;
        }
    }

  private:
    std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t size) const {
        return whole_at(bytes, at, size, high_first_);
    }

    std::string_view bytes_;
    bool high_first_;
    std::uint64_t first_;
};

}  // namespace

ExifFields exif_fields(std::string_view exif) {
    constexpr std::string_view name = "Exif\0\0"sv;
    for (int i = 0; i < 2 && exif.starts_with(name); ++i) exif.remove_prefix(name.size());
    if (exif.empty()) return {};
    const Tiff tiff(exif);
    const Directory first = tiff.first();
    ExifFields made;
    if (const auto orientation = tiff.whole(first, ORIENTATION)) {
        made.orientation = *orientation >= 1 && *orientation <= 8 ? static_cast<int>(*orientation) : 0;
    }
    if (const auto place = tiff.whole(first, EXIF_DIRECTORY); place && *place >= 0) {
        const Directory second = tiff.directory(static_cast<std::uint64_t>(*place));
        if (const auto found = second.find(USER_COMMENT); found != second.end()) {
            const auto [type, data] = found->second;
            if (type == BYTE || type == UNDEFINED) made.comment = std::string(data);
        }
    }
    return made;
}

std::optional<std::uint64_t> pictures_of_index(std::string_view index) {
    try {
        const Tiff tiff(index);
        const Directory first = tiff.first();
        const auto found = tiff.whole(first, PICTURES);
        const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(found.value_or(0), 0));
        return tiff.has_entries(first, ENTRIES, count) ? std::optional(count) : std::nullopt;
    } catch (const Damaged&) {
        return std::nullopt;
    }
}

}  // namespace latentlink
