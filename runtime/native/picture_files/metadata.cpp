#include "picture_files/metadata.h"

#include <algorithm>

#include "picture_files/alphabets.h"
#include "picture_files/damaged.h"
#include "picture_files/exif.h"
#include "picture_files/formats.h"
#include "vocabulary/utf8.h"

namespace latentlink {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view BEFORE = "<latentlink:record>", AFTER = "</latentlink:record>";
constexpr std::string_view XMP_KEYWORD = "XML:com.adobe.xmp", RAW_EXIF = "Raw profile type exif";

// The codes of characters with which a comment in EXIF begins.
constexpr std::string_view UNICODE = "UNICODE\0"sv, ASCII = "ASCII\0\0\0"sv, UNDEFINED = "\0\0\0\0\0\0\0\0"sv;
constexpr std::size_t CODE = 8;

constexpr std::string_view REPLACEMENT = "\xEF\xBF\xBD";  // U+FFFD

// Refuse what is longer than any file of ours holds, before it is decoded or taken apart.
void check_length(std::size_t characters) {
    if (characters <= MOST_TEXT) return;
    throw UsageError("Received " + std::to_string(characters) +
                         " characters of how a picture was made; expected at most " + std::to_string(MOST_TEXT) + ".",
                     "Save the picture again without its metadata.");
}

// The record in XMP that this program wrote, or another one kept.
std::optional<std::string> from_xmp(std::string_view packet) {
    const std::size_t before = packet.find(BEFORE);
    if (before == std::string_view::npos) return std::nullopt;
    const std::size_t begin = before + BEFORE.size(), end = packet.find(AFTER, begin);
    const std::string_view record = packet.substr(begin, end == std::string_view::npos ? end : end - begin);
    check_length(record.size());
    return end == std::string_view::npos ? std::nullopt : std::optional(utf8_replaced(record));
}

// The text of a comment in EXIF; none if it is of another alphabet.
std::optional<std::string> from_comment(std::string_view comment) {
    check_length(comment.size());
    const std::string_view code = comment.substr(0, CODE);
    std::string_view text = comment.substr(std::min(CODE, comment.size()));
    if (code == UNICODE) {
        // Most programs write the high byte first, whatever the file's order; settings are ASCII, whose high byte is 0.
        std::size_t even = 0, odd = 0;
        for (std::size_t i = 0; i < text.size(); ++i) (i % 2 == 0 ? even : odd) += text[i] == '\0';
        return from_utf16(text, even >= odd);
    }
    if (code != ASCII && code != UNDEFINED) return std::nullopt;
    std::string decoded = utf8_replaced(text);
    decoded.erase(decoded.find_last_not_of('\0') + 1);
    return decoded;
}

std::optional<std::string> comment_of(const Blocks& blocks) {
    try {
        return exif_fields(*blocks.exif).comment;
    } catch (const Damaged&) {
        if (!blocks.forgives_exif) throw;
        return std::nullopt;
    }
}

int hex_digit(char one) {
    if (one >= '0' && one <= '9') return one - '0';
    if (one >= 'a' && one <= 'f') return one - 'a' + 10;
    if (one >= 'A' && one <= 'F') return one - 'A' + 10;
    throw Damaged("its EXIF data are not hexadecimal digits");
}

// EXIF as ImageMagick writes it into a text: after three lines, in hexadecimal digits.
std::string exif_of_profile(std::string_view text) {
    for (int line = 0; line < 3; ++line) {
        const std::size_t end = text.find('\n');
        text = end == std::string_view::npos ? "" : text.substr(end + 1);
    }
    std::string digits, made;
    std::ranges::copy_if(text, std::back_inserter(digits),
                         [](char one) { return " \t\n\v\f\r"sv.find(one) == std::string_view::npos; });
    if (digits.size() % 2 != 0) throw Damaged("its EXIF data end within a byte");
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        made += static_cast<char>(hex_digit(digits[i]) * 16 + hex_digit(digits[i + 1]));
    }
    return made;
}

// The digit of `tiff:Orientation="6"` or `<tiff:Orientation>6`; none if there is none.
std::optional<int> orientation_in(std::string_view xmp) {
    constexpr std::string_view name = "tiff:Orientation";
    for (std::size_t at = xmp.find(name); at != std::string_view::npos; at = xmp.find(name, at + 1)) {
        std::string_view rest = xmp.substr(at + name.size());
        if (rest.starts_with("=\"")) {
            rest.remove_prefix(2);
        } else if (rest.starts_with(">")) {
            rest.remove_prefix(1);
        } else {
            continue;
        }
        if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
    }
    return std::nullopt;
}

// NUL, which would end a text, becomes U+FFFD.
std::string without_nul(std::string_view text) {
    std::string made;
    for (const char one : text) made += one == '\0' ? REPLACEMENT : std::string_view(&one, 1);
    return made;
}

}  // namespace

const std::string* Blocks::text(std::string_view keyword) const {
    const auto found = std::ranges::find(texts, keyword, [](const auto& one) { return std::string_view(one.first); });
    return found == texts.end() ? nullptr : &found->second;
}

void Blocks::set_text(const std::string& keyword, std::string text) {
    const auto found = std::ranges::find(texts, keyword, [](const auto& one) { return std::string_view(one.first); });
    if (found == texts.end()) {
        texts.emplace_back(keyword, std::move(text));
    } else {
        found->second = std::move(text);
    }
}

FileTexts texts_of(const Blocks& blocks) {
    FileTexts made;
    if (const auto* record = blocks.text("latentlink")) made.record = *record;
    if (const auto* text = blocks.text("parameters")) made.text = *text;
    if (!made.record && blocks.xmp) made.record = from_xmp(*blocks.xmp);
    if (!made.text && blocks.exif) {
        if (const auto comment = comment_of(blocks)) made.text = from_comment(*comment);
    }
    for (const auto& found : {made.record, made.text}) check_length(character_count(found.value_or("")));
    return made;
}

int orientation_of(const Blocks& blocks) {
    std::optional<int> found;
    if (blocks.exif) {
        found = exif_fields(*blocks.exif).orientation;
    } else if (const auto* profile = blocks.text(RAW_EXIF)) {
        found = exif_fields(exif_of_profile(*profile)).orientation;
    }
    if (!found) {
        const auto* text = blocks.text(XMP_KEYWORD);
        if (text != nullptr && !text->empty()) {
            found = orientation_in(*text);
        } else if (blocks.xmp) {
            found = orientation_in(*blocks.xmp);
        }
    }
    return found && *found >= 1 && *found <= 8 ? *found : 1;
}

Chunks chunks_for(const std::string& record, const std::string& text) {
    Chunks made;
    const auto add = [&made](const char* keyword, const std::string& content, const char* what, const char* who) {
        std::string held = without_nul(content);
        if (held.size() <= MOST_TEXT) {
            made.texts.emplace_back(keyword, std::move(held));
            return;
        }
        made.left_out.push_back("the " + std::string(what) + " of how the picture was made is left out, so that " +
                                who + ": it takes " + std::to_string(held.size()) + " bytes, and a PNG file holds " +
                                std::to_string(MOST_TEXT) + ".");
    };
    add("parameters", text, "text", "other programs do not find it");
    add("latentlink", record, "record", "inspect and --like do not find it");
    std::ranges::reverse(made.left_out);  // the record is named first
    return made;
}

}  // namespace latentlink
