#include "picture_files/jpeg.h"

#include <cstdio>
// jpeglib.h needs what cstdio declares
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "picture_files/bytes.h"
#include "picture_files/exif.h"

namespace latentlink {
namespace {

using namespace std::string_view_literals;

// Markers: the second byte, after 0xFF.
constexpr int DHT = 0xC4, JPG = 0xC8, DAC = 0xCC, SOS = 0xDA, DQT = 0xDB, DHP = 0xDE, APP0 = 0xE0, APP1 = 0xE1,
              APP2 = 0xE2, APP14 = 0xEE;

bool begins_frame(int marker) {
    return (marker >= 0xC0 && marker <= 0xCF && marker != DHT && marker != JPG && marker != DAC) || marker == DHP;
}

// Whether nothing belongs to a marker: restarts, begin and end, and extensions.
bool stands_alone(int marker) {
    return marker == JPG || (marker >= 0xD0 && marker <= 0xD9) || (marker >= 0xF0 && marker <= 0xFD);
}

// What is read of a JPEG file's head beside what `JpegHead` keeps.
struct Segments {
    JpegHead head = {};
    bool density = false;    // whether its resolution is known without EXIF
    std::string index = {};  // of an MPO file
    bool has_index = false, ultra_hdr = false;
};

void read_frame(std::string_view data, Segments& read) {
    read.head.width = u16(data, 3);
    read.head.height = u16(data, 1);
    const auto bits = whole_at(data, 0, 1);
    if (bits != 8) throw Damaged("its samples have " + std::to_string(bits) + " bits, not 8");
    read.head.layers = static_cast<int>(whole_at(data, 5, 1));
    if (read.head.layers != 1 && read.head.layers != 3 && read.head.layers != 4) {
        throw Damaged("it has " + std::to_string(read.head.layers) + " layers, not 1, 3 or 4");
    }
    if (data.size() % 3 != 0) throw Damaged("its frame ends within a layer");
}

void check_tables(std::string_view data) {
    while (!data.empty()) {
        const std::size_t size = (whole_at(data, 0, 1) >> 4) == 0 ? 65 : 129;
        if (data.size() < size) throw Damaged("its quantization tables are cut short");
        data.remove_prefix(size);
    }
}

void read_application(int marker, std::string_view data, Segments& read) {
    constexpr std::string_view exif = "Exif\0\0"sv, xmp = "http://ns.adobe.com/xap/1.0/\0"sv, index = "MPF\0"sv;
    Blocks& blocks = read.head.blocks;
    if (marker == APP0 && data.starts_with("JFIF")) {
        u16(data, 5);  // its version
        read.density = read.density || (data.size() >= 12 && (data[7] == 1 || data[7] == 2));
    } else if (marker == APP1 && data.starts_with(exif)) {
        blocks.exif = blocks.exif ? *blocks.exif + std::string(data.substr(exif.size())) : std::string(data);
    } else if (marker == APP1 && data.starts_with(xmp)) {
        blocks.xmp = std::string(data.substr(xmp.size()));
    } else if (marker == APP2 && data.starts_with(index)) {
        read.has_index = true;
        read.index = std::string(data.substr(index.size()));
    } else if (marker == APP14 && data.starts_with("Adobe")) {
        u16(data, 5);  // its version
    }
    if (marker == APP1 && data.find(" hdrgm:Version=\"") != std::string_view::npos) read.ultra_hdr = true;
}

// The segments before the first scan. What stands between them is skipped, as Pillow does it.
Segments segments_of(std::string_view file) {
    Segments read;
    std::size_t at = 2;
    while (at < file.size()) {
        if (file[at++] != '\xFF') continue;
        while (at < file.size() && file[at] == '\xFF') ++at;  // fill bytes
        if (at >= file.size()) break;
        const int marker = static_cast<unsigned char>(file[at++]);
        if (marker == 0 || stands_alone(marker)) continue;
        if (marker < 0xC0) throw Damaged("it has a marker that JPEG does not");
        const std::size_t size = std::max<std::size_t>(u16(file, at), 2);
        const std::string_view data = file.substr(at + 2, size - 2);
        if (data.size() < size - 2) throw Damaged("it is cut short");
        if (begins_frame(marker)) read_frame(data, read);
        if (marker == DQT) check_tables(data);
        if (marker >= APP0 && marker < APP0 + 16) read_application(marker, data, read);
        if (marker == SOS) break;
        at += size;
    }
    return read;
}

// libjpeg, reading from memory. Its errors leave by `longjmp`, and jump over C code alone: nothing that a function with
// `setjmp` makes has a destructor.
class Reader {
  public:
    explicit Reader(std::string_view file) {
        info_.err = jpeg_std_error(&errors_.base);
        errors_.base.error_exit = fail;
        errors_.base.output_message = [](j_common_ptr) {};
        if (!create_or_jump()) throw std::bad_alloc();
        source_.next_input_byte = reinterpret_cast<const JOCTET*>(file.data());
        source_.bytes_in_buffer = file.size();
        source_.init_source = source_.term_source = [](j_decompress_ptr) {};
        source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };  // there is no more
        source_.skip_input_data = skip;
        source_.resync_to_restart = jpeg_resync_to_restart;
        info_.src = &source_;
        progress_.progress_monitor = count_scans;
        info_.progress = &progress_;
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { jpeg_destroy_decompress(&info_); }

    // Pixels of 1, 3 or 4 bytes: grey, RGB, or CMYK as Adobe stores it, 255 for no ink.
    Array read(const JpegHead& head) {
        if (!begin_or_jump(head.layers)) stop();
        if (info_.image_width != head.width || info_.image_height != head.height ||
            info_.output_components != head.layers) {
            throw Damaged("it has several frames");
        }
        Array made(DType::uint8, {head.height, head.width, head.layers});
        if (!rows_or_jump(made.as<std::uint8_t>().data(), static_cast<std::size_t>(head.width * head.layers))) stop();
        return made;
    }

  private:
    static constexpr int MOST_SCANS = 1000;  // of a progressive picture; some hundreds are usual at most

    struct Errors {
        jpeg_error_mgr base;
        std::jmp_buf jump;
        std::array<char, JMSG_LENGTH_MAX> reason;  // empty if the file ended
    };

    bool create_or_jump() {
        if (setjmp(errors_.jump) != 0) return false;
        jpeg_create_decompress(&info_);
        return true;
    }

    bool begin_or_jump(int layers) {
        if (setjmp(errors_.jump) != 0) return false;
        int found;
        do found = jpeg_read_header(&info_, FALSE);
        while (found == JPEG_HEADER_TABLES_ONLY);
        if (found == JPEG_SUSPENDED) return false;
        info_.out_color_space = layers == 1 ? JCS_GRAYSCALE : layers == 3 ? JCS_RGB : JCS_CMYK;
        return jpeg_start_decompress(&info_) != FALSE;
    }

    bool rows_or_jump(JSAMPROW row, std::size_t bytes) {
        if (setjmp(errors_.jump) != 0) return false;
        while (info_.output_scanline < info_.output_height) {
            JSAMPROW here = row + info_.output_scanline * bytes;
            if (jpeg_read_scanlines(&info_, &here, 1) != 1) return false;
        }
        jpeg_finish_decompress(&info_);  // the end may be missing
        return true;
    }

    // What libjpeg stopped for: its error, or the end of the file.
    [[noreturn]] void stop() {
        if (info_.err->msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
        const std::string reason = errors_.reason.data();
        throw Damaged(reason.empty() ? "its pixels are cut short" : "its pixels are damaged: " + reason);
    }

    static void fail(j_common_ptr info) {
        auto* errors = reinterpret_cast<Errors*>(info->err);
        info->err->format_message(info, errors->reason.data());
        std::longjmp(errors->jump, 1);
    }

    // A small file can name scans of a large picture without end.
    static void count_scans(j_common_ptr info) {
        if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= MOST_SCANS) return;
        auto* errors = reinterpret_cast<Errors*>(info->err);
        std::strcpy(errors->reason.data(), "too many scans");
        std::longjmp(errors->jump, 1);
    }

    static void skip(j_decompress_ptr info, long count) {
        const std::size_t skipped = std::min(static_cast<std::size_t>(std::max(count, 0L)), info->src->bytes_in_buffer);
        info->src->next_input_byte += skipped;
        info->src->bytes_in_buffer -= skipped;
    }

    jpeg_decompress_struct info_ = {};
    Errors errors_ = {};
    jpeg_source_mgr source_ = {};
    jpeg_progress_mgr progress_ = {};
};

std::uint8_t share(unsigned number, unsigned of) {  // number * of / 255, rounded as Pillow does it
    const unsigned product = number * of + 128;
    return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

Array rgb_of_cmyk(const Array& inks) {
    Array made(DType::uint8, {inks.size(0), inks.size(1), 3});
    const std::uint8_t* from = inks.as<std::uint8_t>().data();
    std::uint8_t* into = made.as<std::uint8_t>().data();
    for (std::size_t i = 0; i < made.count(); i += 3, from += 4) {
        const unsigned light = from[3];
        for (int c = 0; c < 3; ++c) *into++ = static_cast<std::uint8_t>(light - share(255u - from[c], light));
    }
    return made;
}

}  // namespace

JpegHead jpeg_head(std::string_view file) {
    Segments read = segments_of(file);
    JpegHead& head = read.head;
    if (head.layers == 0) throw Damaged("it has no frame");
    if (head.width == 0 || head.height == 0) throw Damaged("it has no pixels");
    head.blocks.forgives_exif = !read.density;  // Pillow looks there for the resolution, and forgives at that place
    head.several = read.has_index && !read.ultra_hdr && pictures_of_index(read.index).value_or(0) > 1;
    return head;
}

Image jpeg_pixels(std::string_view file, const JpegHead& head) {
    const Array pixels = Reader(file).read(head);
    return {head.layers == 4 ? rgb_of_cmyk(pixels) : pixels};
}

}  // namespace latentlink
