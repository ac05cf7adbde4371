#include "bundle/onnx_locations.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "bundle/record_checks.h"
#include "bundle/tree.h"

namespace latentlink {

namespace {

constexpr int MAX_DEPTH = 100;                  // protobuf's own parsers stop there
constexpr std::size_t MAX_FIELDS = 20'000'000;  // the graph of a 12-billion-parameter denoiser has about a million

__extension__ typedef unsigned __int128 Wide;  // ten bytes of a varint hold 70 bits

enum class Message { model, training, function, graph, node, attribute, sparse, tensor, entry, key, value };

// A length-delimited field of a message, and the message that it holds.
struct Child {
    std::uint64_t number;
    Message message;
};

std::span<const Child> children_of(Message message) {
    using enum Message;
    static constexpr Child of_model[] = {{7, graph}, {20, training}, {25, function}};
    static constexpr Child of_training[] = {{1, graph}, {2, graph}};
    static constexpr Child of_function[] = {{7, node}, {11, attribute}};
    static constexpr Child of_graph[] = {{1, node}, {5, tensor}, {15, sparse}};
    static constexpr Child of_node[] = {{5, attribute}};
    static constexpr Child of_attribute[] = {{5, tensor}, {6, graph},   {10, tensor},
                                             {11, graph}, {22, sparse}, {23, sparse}};
    static constexpr Child of_sparse[] = {{1, tensor}, {2, tensor}};
    static constexpr Child of_tensor[] = {{13, entry}};
    static constexpr Child of_entry[] = {{1, key}, {2, value}};
    switch (message) {
        case model: return of_model;
        case training: return of_training;
        case function: return of_function;
        case graph: return of_graph;
        case node: return of_node;
        case attribute: return of_attribute;
        case sparse: return of_sparse;
        case tensor: return of_tensor;
        case entry: return of_entry;
        case key:
        case value: return {};
    }
    return {};
}

enum Wire : unsigned { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

// Numbers of fields: of a node its operator, of an attribute its name, ...
constexpr std::uint64_t OP_TYPE = 4, NAME = 1, INTEGER = 3, TEXT = 4, REFERENCE = 21;

// Operator of an engine that a provider of ONNX Runtime compiled, in any domain (see contrib_defs.cc).
constexpr std::string_view CONTEXT = "EPContext";

// Operators that repeat as often as a number in the file says: a run of a few bytes may last for ever. No engine needs
// one.
constexpr std::array<std::string_view, 2> ENDLESS = {"Loop", "Scan"};

constexpr std::size_t SHORT = 16, NAME_BYTES = 64, LONG = 4096;  // bytes of a text that are looked at

BundleError malformed(const std::filesystem::path& path, const std::string& why) {
    return BundleError(path.string() + " is not an ONNX file that is safe to open: " + why + ".", DAMAGED_REMEDY);
}

// A file's bytes in memory, without reading them.
class MappedFile {
  public:
    explicit MappedFile(const std::filesystem::path& path) {
        const Descriptor opened = open_regular(path);
        size_ = static_cast<std::size_t>(size_of(opened, path));
        if (size_ == 0) throw malformed(path, "it is empty");
        data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, opened.number(), 0);
        if (data_ == MAP_FAILED) throw system_error(errno, path);
    }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile() { ::munmap(data_, size_); }

    std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

  private:
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

struct Field {
    std::uint64_t number;
    unsigned wire;
    std::uint64_t value;     // of a VARINT
    std::size_t begin, end;  // of all others
};

// Reads messages and counts their fields.
class Reader {
  public:
    Reader(std::string_view data, const std::filesystem::path& path) : data_(data), path_(path) {}

    std::size_t size() const { return data_.size(); }

    BundleError error(const std::string& why) const { return malformed(path_, why); }

    // Call `take` with every field of a message.
    template <typename Take>
    void fields(std::size_t begin, std::size_t end, Take take) {
        for (std::size_t place = begin; place < end;) take(field(place, end));
    }

    // The first bytes of a field.
    std::string text(const Field& field, std::size_t most = LONG) const {
        return std::string(data_.substr(field.begin, std::min(field.end - field.begin, most)));
    }

  private:
    Field field(std::size_t& place, std::size_t end) {
        if (++count_ > MAX_FIELDS) throw error("it has more than " + std::to_string(MAX_FIELDS) + " fields");
        const Wide tag = varint(place, end);
        const auto wire = static_cast<unsigned>(tag & 7);
        if (tag >> 3 == 0 || (wire != VARINT && wire != FIXED64 && wire != BYTES && wire != FIXED32)) {
            throw error("byte " + std::to_string(place) + " has the tag " + decimal(tag));
        }
        // A number beyond 64 bits is none that is looked for.
        Field field{.number = clamped(tag >> 3), .wire = wire, .value = 0, .begin = 0, .end = 0};
        if (wire == VARINT) {
            field.value = clamped(varint(place, end));
            return field;
        }
        const Wide size = wire == BYTES ? varint(place, end) : wire == FIXED64 ? 8 : 4;
        if (size > end - place) {
            throw error("a field at byte " + std::to_string(place) + " is longer than what holds it");
        }
        field.begin = place;
        field.end = place += static_cast<std::size_t>(size);
        return field;
    }

    // The number at `place`, which moves behind it; at most 10 bytes.
    Wide varint(std::size_t& place, std::size_t end) const {
        Wide value = 0;
        for (int shift = 0; place < end && shift < 70; shift += 7) {
            const auto byte = static_cast<unsigned char>(data_[place++]);
            value |= static_cast<Wide>(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        throw error("a number ends in the middle at byte " + std::to_string(place));
    }

    static std::uint64_t clamped(Wide value) {
        return value > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(value);
    }

    static std::string decimal(Wide value) {
        std::string digits;
        do {
            digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
            value /= 10;
        } while (value != 0);
        return digits;
    }

    std::string_view data_;
    const std::filesystem::path& path_;
    std::size_t count_ = 0;
};

// Whether the part of a name before its last dot ends in `.stripped`.
bool is_stripped(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    return dot != std::string_view::npos && name.substr(0, dot).ends_with(".stripped");
}

using Texts = std::vector<std::string>;

void add_or_empty(Texts& into, const Texts& texts) {
    if (texts.empty()) into.emplace_back();
    into.insert(into.end(), texts.begin(), texts.end());
}

// Add the files that an EPContext node refers to.
void add_context_files(Reader& reader, std::span<const Field> attributes, std::set<std::string>& found) {
    std::vector<std::uint64_t> modes;
    Texts engines, models;
    for (const Field& attribute : attributes) {
        std::set<std::string> names;
        Texts texts;
        std::vector<std::uint64_t> numbers;
        reader.fields(attribute.begin, attribute.end, [&](const Field& field) {
            if (field.number == NAME && field.wire == BYTES) names.insert(reader.text(field, NAME_BYTES));
            if (field.number == TEXT && field.wire == BYTES) texts.push_back(reader.text(field));
            if (field.number == INTEGER && field.wire == VARINT) numbers.push_back(field.value);
            if (field.number == REFERENCE && field.wire == BYTES && field.begin != field.end) {
                throw reader.error("an EPContext node has an attribute that the caller of a function gives");
            }
        });
        if (names.contains("embed_mode")) {
            if (numbers.empty()) modes.push_back(0);
            modes.insert(modes.end(), numbers.begin(), numbers.end());
        }
        if (names.contains("ep_cache_context")) add_or_empty(engines, texts);
        if (names.contains("onnx_model_filename")) add_or_empty(models, texts);
    }
    found.insert(models.begin(), models.end());
    if (std::ranges::all_of(modes, [](std::uint64_t mode) { return mode == 1; })) return;
    // ONNX Runtime would open the same name without .stripped in the working directory, if that exists.
    if (std::ranges::any_of(engines, is_stripped)) {
        throw reader.error("an EPContext node names an engine without weights");
    }
    found.insert(engines.begin(), engines.end());
}

struct Span {
    Message message;
    std::size_t begin, end;
    int depth;
};

// Look at one message: add the names in it to `found`, and the messages in it to `spans`.
void visit(Reader& reader, const Span& span, std::set<std::string>& found, std::vector<Span>& spans) {
    if (span.depth > MAX_DEPTH) throw reader.error("messages are nested deeper than " + std::to_string(MAX_DEPTH));
    const auto children = children_of(span.message);
    const bool node = span.message == Message::node;
    Texts keys, values, operators;
    std::vector<Field> attributes;
    reader.fields(span.begin, span.end, [&](const Field& field) {
        if (field.wire != BYTES) return;
        if (node && field.number == OP_TYPE) operators.push_back(reader.text(field, SHORT));
        const auto child = std::ranges::find(children, field.number, &Child::number);
        if (child == children.end()) return;
        if (child->message == Message::key) {
            keys.push_back(reader.text(field, SHORT));
        } else if (child->message == Message::value) {
            values.push_back(reader.text(field));
        } else {
            spans.push_back({child->message, field.begin, field.end, span.depth + 1});
            if (node) attributes.push_back(field);
        }
    });
    for (const std::string& name : operators) {
        if (std::ranges::find(ENDLESS, name) == ENDLESS.end()) continue;
        throw reader.error("it has the operator " + name + ", which may repeat for ever");
    }
    if (std::ranges::find(keys, "location") != keys.end()) {
        if (values.empty()) values.emplace_back();
        found.insert(values.begin(), values.end());
    }
    if (std::ranges::find(operators, CONTEXT) != operators.end()) add_context_files(reader, attributes, found);
}

}  // namespace

std::set<std::string> external_locations(const std::filesystem::path& path) {
    const MappedFile file(path);
    Reader reader(file.bytes(), path);
    std::set<std::string> found;
    std::vector<Span> spans = {{Message::model, 0, reader.size(), 0}};
    while (!spans.empty()) {
        const Span span = spans.back();
        spans.pop_back();
        visit(reader, span, found, spans);
    }
    return found;
}

}  // namespace latentlink
