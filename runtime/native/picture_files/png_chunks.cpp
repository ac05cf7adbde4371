#include "picture_files/png_chunks.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "picture_files/alphabets.h"
#include "picture_files/bytes.h"
#include "picture_files/formats.h"
#include "vocabulary/utf8.h"

namespace latentlink {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

// Characters of all texts of a file, as Pillow limits them.
constexpr std::size_t MOST_TEXTS = 64 * MOST_TEXT;

// Bytes that chunks of one kind have at least; what they say is not used here.
constexpr std::array LEAST = {std::pair{"gAMA"sv, 4u}, std::pair{"cHRM"sv, 32u}, std::pair{"sRGB"sv, 1u},
                              std::pair{"pHYs"sv, 9u}};

bool is_name(char one) {
    return (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z') || (one >= '0' && one <= '9') || one == '_';
}

[[noreturn]] void too_short(std::string_view name) {
    throw Damaged("its chunk " + std::string(name) + " is too short");
}

void check_size(const PngChunk& chunk, std::size_t least) {
    if (chunk.data.size() < least) too_short(chunk.name);
}

// Unpack a text; none if it is damaged.
// Throws Damaged: it is longer than `MOST_TEXT`.
std::optional<std::string> inflated(std::string_view packed) {
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
    struct End {
        z_stream* stream;
        ~End() { inflateEnd(stream); }
    } const end{&stream};
    std::string made;
    std::array<char, 16384> piece;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    for (int result = Z_OK; result == Z_OK;) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        result = inflate(&stream, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return std::nullopt;
        made.append(piece.data(), piece.size() - stream.avail_out);
        if (made.size() > MOST_TEXT)
            throw Damaged("a text unpacks to more than " + std::to_string(MOST_TEXT) + " bytes");
    }
    return made;
}

// The bytes before the first NUL, which are taken away with it; none if there is no NUL.
std::optional<std::string_view> before_nul(std::string_view& rest) {
    const std::size_t at = rest.find('\0');
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view before = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    return before;
}

void add_text(PngHead& head, std::string_view keyword, std::string text, std::size_t characters) {
    head.text_size += characters;
    if (head.text_size > MOST_TEXTS)
        throw Damaged("its texts have more than " + std::to_string(MOST_TEXTS) + " characters");
    head.blocks.set_text(from_latin1(keyword), std::move(text));
}

void read_plain_text(const PngChunk& chunk, PngHead& head) {
    std::string_view text = chunk.data;
    const auto keyword = before_nul(text);
    if (!keyword) return add_text(head, chunk.data, "", 0);
    if (keyword->empty()) return;
    if (*keyword == "exif") head.blocks.exif = std::string(text);
    add_text(head, *keyword, from_latin1(text), text.size());
}

void read_packed_text(const PngChunk& chunk, PngHead& head) {
    std::string_view text = chunk.data;
    const auto before = before_nul(text);
    const std::string_view keyword = before.value_or(chunk.data);
    if (!before) text = {};
    if (!text.empty() && text[0] != '\0') throw Damaged("its chunk zTXt is packed in an unknown way");
    const std::string unpacked = text.empty() ? "" : inflated(text.substr(1)).value_or("");
    if (!keyword.empty()) add_text(head, keyword, from_latin1(unpacked), unpacked.size());
}

void read_international_text(const PngChunk& chunk, PngHead& head) {
    std::string_view rest = chunk.data;
    const auto keyword = before_nul(rest);
    if (!keyword || rest.size() < 2) return;
    const bool packed = rest[0] != '\0', known = rest[1] == '\0';
    rest.remove_prefix(2);
    const auto language = before_nul(rest), translated = language ? before_nul(rest) : std::nullopt;
    if (!translated || (packed && !known)) return;
    const auto text = packed ? inflated(rest) : std::string(rest);
    if (!text) return;
    if (*keyword == "XML:com.adobe.xmp") head.blocks.xmp = *text;
    for (const std::string_view part : {*language, *translated, std::string_view(*text)}) {
        if (utf8_fault(part)) return;
    }
    add_text(head, *keyword, *text, character_count(*text));
}

void read_profile(const PngChunk& chunk) {
    const std::size_t at = chunk.data.find('\0') + 1;  // the first byte if there is no NUL
    if (at >= chunk.data.size()) too_short(chunk.name);
    if (chunk.data[at] != '\0') throw Damaged("its chunk iCCP is packed in an unknown way");
    inflated(chunk.data.substr(at + 1));
}

void read_head(const PngChunk& chunk, PngHead& head) {
    check_size(chunk, 13);
    head.width = u32(chunk.data, 0);
    head.height = u32(chunk.data, 4);
    head.depth = static_cast<unsigned char>(chunk.data[8]);
    head.colour = static_cast<unsigned char>(chunk.data[9]);
    if (chunk.data[12] != '\0') head.interlaced = true;
    if (chunk.data[11] != '\0') throw Damaged("its pixels are filtered in an unknown way");
}

void read_transparency(const PngChunk& chunk, const PngHead& head) {
    if (head.colour == 0) check_size(chunk, 2);
    if (head.colour == 2) check_size(chunk, 6);
}

void read_animation(const PngChunk& chunk, PngHead& head) {
    check_size(chunk, 8);
    const std::uint32_t frames = u32(chunk.data, 0);
    const bool valid = !head.frames && frames != 0 && frames <= 0x80000000u;
    if (valid || head.frames) head.frames = valid ? std::optional(frames) : std::nullopt;
}

// The chunks of an animation's frames are numbered one after the other.
void read_number(const PngChunk& chunk, PngHead& head, std::uint32_t expected) {
    if (u32(chunk.data, 0) != expected) throw Damaged("the frames of its animation are out of order");
    head.sequence = expected;
}

void read_frame(const PngChunk& chunk, PngHead& head) {
    check_size(chunk, 26);
    read_number(chunk, head, head.sequence ? *head.sequence + 1 : 0);
    const std::uint64_t width = u32(chunk.data, 4), height = u32(chunk.data, 8);
    const std::uint64_t right = u32(chunk.data, 12) + width, bottom = u32(chunk.data, 16) + height;
    if (right > static_cast<std::uint64_t>(head.width) || bottom > static_cast<std::uint64_t>(head.height)) {
        throw Damaged("a frame of its animation is larger than the picture");
    }
    if (head.pixels_at == 0 &&
        (width != static_cast<std::uint64_t>(head.width) || height != static_cast<std::uint64_t>(head.height))) {
        throw Damaged("the first frame of its animation is not the whole picture");
    }
}

}  // namespace

std::optional<PngChunk> png_chunk(std::string_view file, std::size_t at) {
    if (at > file.size() || file.size() - at < 8) return std::nullopt;
    const std::string_view name = file.substr(at + 4, 4);
    if (!std::ranges::all_of(name, is_name)) return std::nullopt;
    const std::size_t size = u32(file, at);
    const std::string_view data = file.substr(at + 8, size);
    return PngChunk{name, data, at + 8 + size + 4, data.size() == size};
}

bool checksum_is_right(std::string_view file, const PngChunk& chunk) {
    if (chunk.end > file.size()) return false;
    const auto* bytes = reinterpret_cast<const Bytef*>(chunk.name.data());
    const std::uint64_t sum = crc32(0, bytes, static_cast<uInt>(chunk.name.size() + chunk.data.size()));
    return sum == u32(file, chunk.end - 4);
}

void read_chunk(const PngChunk& chunk, PngHead& head) {
    const std::string_view name = chunk.name;
    if (!chunk.whole) throw Damaged("it is cut short");
    for (const auto& [kind, least] : LEAST) {
        if (name == kind) check_size(chunk, least);
    }
    if (name == "IHDR") read_head(chunk, head);
    if (name == "PLTE" && head.colour == 3) head.palette = std::string(chunk.data);
    if (name == "tRNS") read_transparency(chunk, head);
    if (name == "iCCP") read_profile(chunk);
    if (name == "tEXt") read_plain_text(chunk, head);
    if (name == "zTXt") read_packed_text(chunk, head);
    if (name == "iTXt") read_international_text(chunk, head);
    if (name == "eXIf") head.blocks.exif = "Exif\0\0"s + std::string(chunk.data);
    if (name == "acTL") read_animation(chunk, head);
    if (name == "fcTL") read_frame(chunk, head);
    if (name == "fdAT") {
        check_size(chunk, 4);
        if (!head.sequence) throw Damaged("the frames of its animation are out of order");
        read_number(chunk, head, *head.sequence + 1);
    }
}

}  // namespace latentlink
