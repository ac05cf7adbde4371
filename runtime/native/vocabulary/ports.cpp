#include "vocabulary/ports.h"

#include <algorithm>
#include <optional>

#include "vocabulary/errors.h"
#include "vocabulary/symbol_parts.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::array<DType, 6> DTYPES = {DType::float32, DType::float16, DType::bfloat16,
                                         DType::uint8,   DType::int32,   DType::int64};

std::string layout_text(const Port& port) {
    std::string text;
    for (const auto& [letter, size] : port.layout) {
        text += (text.empty() ? "" : "_") + std::string(1, letter) + std::to_string(size);
    }
    return text;
}

// The layout as Python shows it: `(('c', 4), ('f', 8))`.
std::string shown_layout(const Port& port) {
    std::string text;
    for (const auto& [letter, size] : port.layout) {
        text += (text.empty() ? "(" : ", (") + repr(std::string(1, letter)) + ", " + std::to_string(size) + ")";
    }
    return "(" + text + (port.layout.size() == 1 ? ",)" : ")");
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
    std::vector<std::string> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + separator.size());
    }
}

std::optional<DType> dtype_named(std::string_view name) {
    const auto found = std::ranges::find(DTYPES, name, name_of);
    return found == DTYPES.end() ? std::nullopt : std::optional(*found);
}

// Layout of text that `is_layout`.
std::vector<std::pair<char, int>> read_layout(const std::string& text) {
    std::vector<std::pair<char, int>> layout;
    for (const std::string& item : split(text, "_")) layout.emplace_back(item[0], std::stoi(item.substr(1)));
    return layout;
}

// The first part before the dtype that cannot stand in a symbol; the rest is checked after the dtype.
void check_kind_and_name(const std::string& kind, const std::string& name) {
    if (std::ranges::find(PORT_KINDS, kind) == PORT_KINDS.end()) {
        throw UsageError("A port's kind is one of " + joined(PORT_KINDS) + ", not " + repr(kind) + ".");
    }
    if (!is_name(name)) {
        throw UsageError(repr(name) + " cannot be a port's name: lower-case words joined by '-', '_' or '.'.");
    }
}

std::string dtype_names() {
    std::vector<std::string_view> names;
    for (const DType dtype : DTYPES) names.push_back(name_of(dtype));
    return joined(names);
}

}  // namespace

std::string Port::symbol() const {
    return kind + "__" + name + "__" + layout_text(*this) + "__" + std::string(name_of(dtype)) + "__" + digest;
}

std::string Port::tensor() const { return slot.empty() ? symbol() : symbol() + "__" + slot; }

int Port::size(char letter) const {
    const auto found = std::ranges::find(layout, letter, &std::pair<char, int>::first);
    if (found == layout.end()) {
        throw UsageError(symbol() + " has no " + repr(std::string(1, letter)) + " in its layout.");
    }
    return found->second;
}

Port Port::at(std::string_view slot) const {
    Port port = *this;
    port.slot = slot;
    return checked(std::move(port));
}

Port Port::parse(std::string_view tensor, std::vector<Dim> shape) {
    const std::vector<std::string> parts = split(tensor, "__");
    const std::size_t count = parts.size();
    if ((count != 5 && count != 6) || !is_layout(parts[2]) || (count == 6 && parts[5].empty())) {
        throw UsageError(repr(tensor) +
                         " is not a symbol; expected kind__name__layout__dtype__digest, as in "
                         "latent__sd__c4_f8__float32__1f0c9a2e.");
    }
    check_kind_and_name(parts[0], parts[1]);
    const auto dtype = dtype_named(parts[3]);
    if (!dtype) throw UsageError("A port's dtype is one of " + dtype_names() + ", not " + repr(parts[3]) + ".");
    return checked({.kind = parts[0],
                    .name = parts[1],
                    .layout = read_layout(parts[2]),
                    .dtype = *dtype,
                    .digest = parts[4],
                    .slot = count == 6 ? parts[5] : "",
                    .shape = std::move(shape)});
}

Port Port::checked(Port port) {
    check_kind_and_name(port.kind, port.name);
    if (!is_layout(layout_text(port))) {
        throw UsageError(shown_layout(port) + " cannot be a port's layout: letters with positive sizes.");
    }
    if (!is_digest(port.digest)) throw UsageError("A port's digest is 8 hex digits, not " + repr(port.digest) + ".");
    if (!port.slot.empty() && !is_slot(port.slot)) {
        throw UsageError("A port's slot is a lower-case word, not " + repr(port.slot) + ".");
    }
    return port;
}

}  // namespace latentlink
