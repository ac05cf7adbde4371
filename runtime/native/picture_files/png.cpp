#include "picture_files/png.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <memory>
#include <vector>

#include "picture_files/alphabets.h"
#include "picture_files/bytes.h"
#include "picture_files/png_chunks.h"

namespace latentlink {
namespace {

using namespace std::string_literals;

constexpr std::string_view MAGIC = "\x89PNG\r\n\x1a\n";

// Kinds of colour.
constexpr int GREY = 0, RGB = 2, PALETTE = 3, WITH_ALPHA = 4;

// Whether PNG has pixels of so many bits.
bool is_known(const PngHead& head) {
    switch (head.colour) {
        case GREY: return head.depth == 1 || head.depth == 2 || head.depth == 4 || head.depth == 8 || head.depth == 16;
        case PALETTE: return head.depth == 1 || head.depth == 2 || head.depth == 4 || head.depth == 8;
        case RGB:
        case GREY | WITH_ALPHA:
        case RGB | WITH_ALPHA: return head.depth == 8 || head.depth == 16;
        default: return false;
    }
}

std::string chunk_of(std::string_view name, std::string_view data) {
    return bytes_of(static_cast<std::uint32_t>(data.size())) + std::string(name) + std::string(data) + "\0\0\0\0"s;
}

// As many colours as a sample can name: those that the file lacks are black, as in Pillow.
std::string whole_palette(const PngHead& head) {
    if (head.palette.size() > 256 * 3) throw Damaged("its palette has more than 256 colours");
    const std::size_t count = std::size_t{1} << head.depth, given = std::min(head.palette.size() / 3, count);
    return head.palette.substr(0, given * 3) + std::string((count - given) * 3, '\0');
}

// A file for libpng of what pixels are made of alone: no byte of another chunk reaches it.
struct Source {
    std::string head;
    std::size_t given = 0;  // bytes of the head
    std::string_view pixels;

    Source(const PngHead& from, std::string_view chunks) : pixels(chunks) {
        const std::string fields = bytes_of(static_cast<std::uint32_t>(from.width)) +
                                   bytes_of(static_cast<std::uint32_t>(from.height)) + static_cast<char>(from.depth) +
                                   static_cast<char>(from.colour) + "\0\0"s + static_cast<char>(from.interlaced);
        head = std::string(MAGIC) + chunk_of("IHDR", fields);
        if (from.colour == PALETTE) head += chunk_of("PLTE", whole_palette(from));
    }

    // Returns whether there were so many bytes.
    bool give(unsigned char* into, std::size_t count) {
        const std::size_t from_head = head.copy(reinterpret_cast<char*>(into), count, given);
        given += from_head;
        const std::size_t from_pixels = pixels.copy(reinterpret_cast<char*>(into) + from_head, count - from_head);
        pixels.remove_prefix(from_pixels);
        return from_head + from_pixels == count;
    }
};

// libpng, reading. Its errors leave by `longjmp`, and jump over C code alone: nothing that a function with `setjmp`
// makes has a destructor.
class Reader {
  public:
    Reader(const PngHead& head, std::string_view chunks) : source_(head, chunks) {
        png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reason_, keep_reason, ignore);
        info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
        if (info_ == nullptr) {
            png_destroy_read_struct(&png_, &info_, nullptr);
            throw std::bad_alloc();
        }
        png_set_read_fn(png_, &source_, give_bytes);
        png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
        png_set_chunk_malloc_max(png_, PNG_UINT_31_MAX);
        png_set_crc_action(png_, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);  // Pillow leaves those of pixels unread
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

    // Bytes of a row of pixels without transparency: 8 bits a sample, but 16 of deep grey.
    std::size_t begin(const PngHead& head) {
        if (!begin_or_jump(head.colour, head.depth)) fail();
        return png_get_rowbytes(png_, info_);
    }

    void read(png_bytepp rows) {
        if (!read_or_jump(rows)) fail();
    }

  private:
    bool begin_or_jump(int colour, int depth) {
        if (setjmp(png_jmpbuf(png_)) != 0) return false;
        png_read_info(png_, info_);
        if (colour == PALETTE) png_set_palette_to_rgb(png_);
        if (colour == GREY && depth < 8) png_set_expand_gray_1_2_4_to_8(png_);
        if (colour != GREY && depth == 16) png_set_strip_16(png_);
        if ((colour & WITH_ALPHA) != 0) png_set_strip_alpha(png_);
        png_set_interlace_handling(png_);
        png_read_update_info(png_, info_);
        return true;
    }

    bool read_or_jump(png_bytepp rows) {
        if (setjmp(png_jmpbuf(png_)) != 0) return false;
        png_read_image(png_, rows);
        return true;
    }

    [[noreturn]] void fail() const { throw Damaged("its pixels are damaged: " + std::string(reason_.data())); }

    static void keep_reason(png_structp png, png_const_charp message) {
        auto* reason = static_cast<Reason*>(png_get_error_ptr(png));
        std::strncpy(reason->data(), message, reason->size() - 1);
        png_longjmp(png, 1);
    }

    static void ignore(png_structp, png_const_charp) {}

    static void give_bytes(png_structp png, png_bytep into, std::size_t count) {
        if (!static_cast<Source*>(png_get_io_ptr(png))->give(into, count)) png_error(png, "they are cut short");
    }

    using Reason = std::array<char, 128>;

    Source source_;
    Reason reason_ = {};
    png_structp png_ = nullptr;
    png_infop info_ = nullptr;
};

Array unpacked(std::string_view chunks, const PngHead& head) {
    Reader reader(head, chunks);
    const std::size_t bytes = reader.begin(head);
    const auto width = static_cast<std::size_t>(head.width), height = static_cast<std::size_t>(head.height);
    if (bytes % width != 0 || bytes / width == 0 || bytes / width > 3)
        throw Damaged("its pixels are of an unknown size");
    Array made(DType::uint8, {head.height, head.width, static_cast<std::int64_t>(bytes / width)});
    std::vector<png_bytep> rows(height);
    for (std::size_t y = 0; y < height; ++y) rows[y] = made.as<std::uint8_t>().data() + y * bytes;
    reader.read(rows.data());
    return made;
}

// 16 bits of grey, high byte first, rounded to 8.
Array shallow(const Array& deep) {
    Array made(DType::uint8, {deep.size(0), deep.size(1), 1});
    const std::uint8_t* from = deep.as<std::uint8_t>().data();
    for (std::uint8_t& grey : made.as<std::uint8_t>()) {
        grey = static_cast<std::uint8_t>((from[0] * 256u + from[1] + 128) / 257);  // 65535 / 257 = 255
        from += 2;
    }
    return made;
}

// Where the chunks of pixels end that stand one after the other.
std::size_t end_of_pixels(std::string_view file, std::size_t at) {
    auto chunk = png_chunk(file, at);
    while (chunk && chunk->name == "IDAT") {
        at = std::min(chunk->end, file.size());
        chunk = png_chunk(file, at);
    }
    return at;
}

// The texts of an animation's later frames are not those of the picture.
void read_behind(std::string_view file, std::size_t at, PngHead& head) {
    const bool animated = head.frames && (*head.frames > 1 || !head.sequence);
    for (auto chunk = png_chunk(file, at); chunk && chunk->name != "IEND"; chunk = png_chunk(file, chunk->end)) {
        if (animated && chunk->name == "fcTL") return;
        read_chunk(*chunk, head);
    }
}

// libpng, writing, into text. As for reading.
class Writer {
  public:
    Writer() {
        png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, fail, ignore);
        info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
        if (info_ == nullptr) {
            png_destroy_write_struct(&png_, &info_);
            throw std::bad_alloc();
        }
        png_set_write_fn(png_, &made_, take_bytes, [](png_structp) {});
    }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() { png_destroy_write_struct(&png_, &info_); }

    std::string write(const Image& image, std::span<const std::pair<std::string_view, std::string>> chunks,
                      png_bytepp rows) {
        if (!write_or_jump(image, chunks, rows)) throw std::bad_alloc();  // libpng refuses nothing else here
        return std::move(made_);
    }

  private:
    bool write_or_jump(const Image& image, std::span<const std::pair<std::string_view, std::string>> chunks,
                       png_bytepp rows) {
        if (setjmp(png_jmpbuf(png_)) != 0) return false;
        png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width()), static_cast<png_uint_32>(image.height()), 8,
                     image.channels() == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(png_, info_);
        for (const auto& chunk : chunks) {
            png_write_chunk(png_, reinterpret_cast<png_const_bytep>(chunk.first.data()),
                            reinterpret_cast<png_const_bytep>(chunk.second.data()), chunk.second.size());
        }
        png_write_image(png_, rows);
        png_write_end(png_, nullptr);
        return true;
    }

    static void fail(png_structp png, png_const_charp) { png_longjmp(png, 1); }
    static void ignore(png_structp, png_const_charp) {}

    static void take_bytes(png_structp png, png_bytep from, std::size_t count) {
        bool taken = true;
        try {
            static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(from), count);
        } catch (const std::exception&) {
            taken = false;
        }
        if (!taken) png_error(png, "no memory");  // outside of the handler, which a jump would leave open
    }

    png_structp png_ = nullptr;
    png_infop info_ = nullptr;
    std::string made_;
};

}  // namespace

PngHead png_head(std::string_view file) {
    PngHead head;
    std::size_t at = MAGIC.size();
    for (;;) {
        const auto chunk = png_chunk(file, at);
        if (!chunk) throw Damaged("its chunks end before its pixels");
        if (chunk->name == "IEND" || chunk->name == "IDAT") {
            if (chunk->name == "IDAT") head.pixels_at = at;
            break;
        }
        if (chunk->name == "fdAT") throw Damaged("its first picture is that of an animation");
        read_chunk(*chunk, head);
        if (!checksum_is_right(file, *chunk)) {
            throw Damaged("the checksum of its chunk " + std::string(chunk->name) + " is wrong");
        }
        at = chunk->end;
    }
    if (!is_known(head)) throw Damaged("its pixels are of an unknown kind");
    if (head.width == 0 || head.height == 0) throw Damaged("it has no pixels");
    return head;
}

Image png_pixels(std::string_view file, PngHead& head) {
    if (head.pixels_at == 0) throw Damaged("it has no pixels");
    const std::size_t end = end_of_pixels(file, head.pixels_at);
    const Array pixels = unpacked(file.substr(head.pixels_at, end - head.pixels_at), head);
    read_behind(file, end, head);
    return {head.colour == GREY && head.depth == 16 ? shallow(pixels) : pixels};
}

std::string png_bytes(const Image& image, std::span<const std::pair<std::string, std::string>> texts) {
    std::vector<std::pair<std::string_view, std::string>> chunks;
    for (const auto& [keyword, text] : texts) {
        if (const auto plain = to_latin1(text)) {
            chunks.emplace_back("tEXt", keyword + "\0"s + *plain);
        } else {
            chunks.emplace_back("iTXt", keyword + "\0\0\0\0\0"s + text);
        }
    }
    const Array pixels = image.pixels;
    const auto row = static_cast<std::size_t>(image.width() * image.channels());
    std::vector<png_bytep> rows(static_cast<std::size_t>(image.height()));
    // libpng reads from rows that it takes as writable
    auto* bytes = const_cast<png_bytep>(pixels.as<std::uint8_t>().data());
    for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = bytes + y * row;
    return Writer().write(image, chunks, rows.data());
}

}  // namespace latentlink
