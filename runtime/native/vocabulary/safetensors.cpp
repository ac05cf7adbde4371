#include "vocabulary/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <set>

#include "vocabulary/json.h"
#include "vocabulary/json_writing.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::uint64_t LENGTH_BYTES = 8;  // of the header's length, at the file's beginning
constexpr std::size_t MAX_DEPTH = 127;     // of nested values, as the format's own library takes them
constexpr std::string_view METADATA = "__metadata__";

using Header = nlohmann::json;  // which finds a key among millions faster than one that keeps their order

struct Type {
    std::string_view name;
    std::uint64_t bits;
    std::string_view numpy = "";
    std::optional<DType> dtype = {};
};

// In the order of the library, by which a writer sorts: the last is first in a file.
constexpr std::array<Type, 22> TYPES = {{
    {"BOOL", 8, "bool"},
    {"F4", 4},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"U8", 8, "uint8", DType::uint8},
    {"I8", 8, "int8"},
    {"F8_E5M2", 8},
    {"F8_E4M3", 8},
    {"F8_E8M0", 8},
    {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8},
    {"I16", 16, "int16"},
    {"U16", 16, "uint16"},
    {"F16", 16, "float16", DType::float16},
    {"BF16", 16, "", DType::bfloat16},
    {"I32", 32, "int32", DType::int32},
    {"U32", 32, "uint32"},
    {"F32", 32, "float32", DType::float32},
    {"C64", 64, "complex64"},
    {"F64", 64, "float64"},
    {"I64", 64, "int64", DType::int64},
    {"U64", 64, "uint64"},
}};

const Type& type_named(std::string_view name) { return *std::ranges::find(TYPES, name, &Type::name); }

const Type& type_of(DType dtype) { return *std::ranges::find(TYPES, std::optional(dtype), &Type::dtype); }

SafetensorError in_header(const std::string& problem) {
    return SafetensorError("Error while deserializing header: " + problem);
}

SafetensorError no_json(const std::string& problem) { return in_header("invalid JSON in header: " + problem); }

// Refuse what a JSON parser might take, or take too long for: NUL after the end, and deep nesting.
void check_text(std::string_view text) {
    std::size_t depth = 0;
    bool inside = false;  // a string
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '\0') throw no_json("a character NUL");
        if (inside) {
            if (c == '\\') ++at;
            if (c == '"') inside = false;
        } else if (c == '"') {
            inside = true;
        } else if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH) throw no_json("recursion limit exceeded");
        } else if (c == ']' || c == '}') {
            if (depth-- == 0) throw no_json("trailing characters");
        }
    }
    if (text.starts_with("\xEF\xBB\xBF")) throw no_json("expected value");
}

// The header as JSON. Of keys that stand twice the last one counts, except of those that the format names itself.
Header parse_header(std::string_view text) {
    check_text(text);
    std::vector<std::set<std::string, std::less<>>> named;  // keys of the format's own that were seen, by depth
    const auto note = [&named](int, Header::parse_event_t event, Header& value) {
        if (event == Header::parse_event_t::object_start) {
            named.emplace_back();
        } else if (event == Header::parse_event_t::object_end) {
            named.pop_back();
        } else if (event == Header::parse_event_t::key) {
            const auto& key = value.get_ref<const std::string&>();
            const bool own = named.size() == 1
                                 ? key == METADATA
                                 : named.size() == 2 && (key == "dtype" || key == "shape" || key == "data_offsets");
            if (own && !named.back().insert(key).second) throw no_json("duplicate field `" + key + "`");
        }
        return true;
    };
    try {
        Header header = Header::parse(text, note);
        if (!header.is_object()) throw no_json("expected struct HashMetadata");
        return header;
    } catch (const Header::exception& error) {
        throw no_json(error.what());
    }
}

std::uint64_t read_size(const Header& value) {
    if (!value.is_number_unsigned()) throw no_json("invalid type: " + shown(Json(value)) + ", expected usize");
    return value.get<std::uint64_t>();
}

const Header& member(const Header& record, const char* name, std::size_t place) {
    if (record.is_array()) return record.at(place);  // the library takes the three in a list, too
    const auto found = record.find(name);
    if (found == record.end()) throw no_json(std::string("missing field `") + name + "`");
    return *found;
}

// Name of a type, which the library takes as `{"F32": null}`, too.
std::string read_type(const Header& value) {
    const bool wrapped = value.is_object() && value.size() == 1 && value.begin()->is_null();
    const std::string name = wrapped ? value.items().begin().key() : value.is_string() ? value.get<std::string>() : "";
    if (std::ranges::find(TYPES, std::string_view(name), &Type::name) == TYPES.end()) {
        throw no_json("unknown variant `" + (name.empty() ? shown(Json(value)) : name) +
                      "`, expected the name of a type");
    }
    return name;
}

TensorInfo read_info(const Header& record) {
    if (!record.is_object() && !(record.is_array() && record.size() == 3)) {
        throw no_json("invalid type: " + shown(Json(record)) + ", expected struct TensorInfo");
    }
    TensorInfo info{.type = read_type(member(record, "dtype", 0)), .shape = {}};
    const Header& shape = member(record, "shape", 1);
    const Header& offsets = member(record, "data_offsets", 2);
    if (!shape.is_array()) throw no_json("invalid type: " + shown(Json(shape)) + ", expected a sequence");
    for (const Header& size : shape) {
        const std::uint64_t number = read_size(size);
        if (number > INT64_MAX) {
            throw in_header("overflow computing buffer size from shape and/or element type");
        }
        info.shape.push_back(static_cast<std::int64_t>(number));
    }
    if (!offsets.is_array() || offsets.size() != 2) {
        throw no_json("invalid length " + std::to_string(offsets.size()) + ", expected a tuple of size 2");
    }
    info.begin = read_size(offsets[0]);
    info.end = read_size(offsets[1]);
    return info;
}

// Bytes that a tensor of this type and shape has.
std::uint64_t bytes_of(const TensorInfo& info) {
    std::uint64_t bits = 1;
    bool overflows = false;
    for (const std::int64_t size : info.shape) {
        overflows |= __builtin_mul_overflow(bits, static_cast<std::uint64_t>(size), &bits);
    }
    overflows |= __builtin_mul_overflow(bits, type_named(info.type).bits, &bits);
    if (overflows) throw in_header("overflow computing buffer size from shape and/or element type");
    if (bits % 8 != 0) {
        throw in_header(
            "The slice is slicing for subbytes dtypes, and the slice does not end up at a byte boundary, this is "
            "invalid.");
    }
    return bits / 8;
}

// Refuse tensors that do not lie one after the other, from the first byte to the last of `size`.
void check_places(const std::map<std::string, TensorInfo, std::less<>>& tensors, std::uint64_t size) {
    std::vector<const std::pair<const std::string, TensorInfo>*> placed;
    for (const auto& tensor : tensors) placed.push_back(&tensor);
    std::ranges::stable_sort(placed, {}, [](const auto* one) { return std::pair(one->second.begin, one->second.end); });
    std::uint64_t start = 0;
    for (const auto* one : placed) {
        const auto& [name, info] = *one;
        if (info.begin != start || info.end < info.begin) throw in_header("invalid offset for tensor `" + name + "`");
        start = info.end;
        if (bytes_of(info) != info.end - info.begin) {
            throw in_header("invalid shape, data type, or offset for tensor");
        }
    }
    if (start != size) throw in_header("incomplete metadata, file not fully covered");
}

}  // namespace

std::string TensorInfo::numpy_name() const { return std::string(type_named(type).numpy); }

std::optional<DType> TensorInfo::dtype() const { return type_named(type).dtype; }

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path, std::uint64_t most_header) : file_(path) {
    std::array<unsigned char, LENGTH_BYTES> length_bytes;
    if (file_.read(0, std::as_writable_bytes(std::span(length_bytes))) < LENGTH_BYTES) {
        throw in_header("header too small");
    }
    std::uint64_t length = 0;
    for (std::size_t i = LENGTH_BYTES; i-- > 0;) length = length << 8 | length_bytes[i];
    if (length > std::min(most_header, MAX_SAFETENSORS_HEADER)) throw in_header("header too large");
    if (file_.size() < LENGTH_BYTES || length > file_.size() - LENGTH_BYTES) throw in_header("invalid header length");
    data_ = LENGTH_BYTES + length;
    std::string text(length, '\0');
    if (file_.read(LENGTH_BYTES, std::as_writable_bytes(std::span(text))) < length) {
        throw in_header("invalid header length");
    }
    const Header header = parse_header(text);
    for (const auto& [name, record] : header.items()) {
        if (name != METADATA) {
            tensors_.insert_or_assign(name, read_info(record));
            continue;
        }
        if (!record.is_object() && !record.is_null()) {
            throw no_json("invalid type: " + shown(Json(record)) + ", expected a map");
        }
        for (const auto& [key, value] : record.items()) {
            if (!value.is_string()) throw no_json("invalid type: " + shown(Json(value)) + ", expected a string");
            metadata_.insert_or_assign(key, value.get<std::string>());
        }
    }
    check_places(tensors_, file_.size() - data_);
}

Array SafetensorsFile::tensor(std::string_view name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw SafetensorError("File does not contain tensor " + std::string(name));
    const TensorInfo& info = found->second;
    const auto dtype = info.dtype();
    if (!dtype) throw SafetensorError("Dtype not understood: " + info.type);
    Array array(*dtype, info.shape);
    if (file_.read(data_ + info.begin, array.bytes()) < array.bytes().size()) {
        throw SafetensorError("The file ends before its tensor `" + std::string(name) + "` does");
    }
    return array;
}

std::string safetensors_bytes(const std::map<std::string, Array, std::less<>>& tensors,
                              const std::map<std::string, std::string, std::less<>>& metadata) {
    static_assert(std::endian::native == std::endian::little, "the format's numbers are little-endian");
    std::vector<const std::pair<const std::string, Array>*> sorted;
    for (const auto& tensor : tensors) sorted.push_back(&tensor);
    std::ranges::stable_sort(sorted, std::greater(), [](const auto* one) { return &type_of(one->second.dtype()); });
    Json header = Json::object();
    if (!metadata.empty()) header[METADATA] = metadata;
    std::uint64_t end = 0;
    for (const auto* one : sorted) {
        const std::uint64_t begin = end;
        end += one->second.bytes().size();
        header[one->first] = {{"dtype", type_of(one->second.dtype()).name},
                              {"shape", one->second.shape()},
                              {"data_offsets", {begin, end}}};
    }
    std::string text = dumps(header, {.compact = true, .ascii = false});
    text.resize((text.size() + LENGTH_BYTES - 1) / LENGTH_BYTES * LENGTH_BYTES, ' ');
    std::string bytes;
    bytes.reserve(LENGTH_BYTES + text.size() + end);
    for (std::size_t i = 0; i < LENGTH_BYTES; ++i) bytes += static_cast<char>(text.size() >> (8 * i) & 0xFF);
    bytes += text;
    for (const auto* one : sorted) {
        const auto part = one->second.bytes();
        bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    return bytes;
}

}  // namespace latentlink
