// Ports and symbols: the typed inputs and outputs of an engine, and the tensor names that carry the types.
//
// A symbol is `kind__name__layout__dtype__digest`, for example `latent__sd__c4_f8__float32__1f0c9a2e`. Two ports
// connect if their symbols are equal. A sixth part, the slot, distinguishes ports of one symbol in one engine.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "vocabulary/array.h"

namespace latentlink {

// One dimension of a port's shape: a fixed size, or the name of a free one.
using Dim = std::variant<std::int64_t, std::string>;

inline constexpr std::array<std::string_view, 9> PORT_KINDS = {
    "latent", "text", "image", "tokens", "coefficients", "guidance", "mask", "condition", "feature"};

// Columns of a step's row, as the engine reads them; docs/step-engine.md.
inline constexpr std::array<std::string_view, 15> COEFFICIENTS = {
    "t", "c_in", "p", "q", "a", "b0", "b1", "b2", "b3", "b4", "c", "own", "keep", "init", "renoise"};

// Number of earlier Ds that a step can read.
inline constexpr int HISTORY = 4;

// One typed input or output of an engine. Made by `parse`, or by `checked`, so that all parts can stand in a symbol.
struct Port {
    std::string kind;  // one of PORT_KINDS
    std::string name;  // the latent space, text embedding, tokenizer or convention that it belongs to
    std::vector<std::pair<char, int>> layout;  // letters and sizes of its fixed properties, in order
    DType dtype = DType::float32;
    std::string digest;     // 8 hex digits over what shape and dtype cannot show
    std::string slot = {};  // distinguishes the engine's ports of one symbol; empty for the one that links
    std::vector<Dim> shape = {};

    // The symbol, which must be equal for two ports to connect.
    std::string symbol() const;

    // The tensor's name inside the engine: the symbol, and the slot if there is one.
    std::string tensor() const;

    // The size that the layout gives a letter. Throws UsageError: there is none.
    int size(char letter) const;

    // The same port in another slot.
    Port at(std::string_view slot) const;

    // Read a tensor's name back into a port.
    // Throws UsageError: it cannot be the name of a port.
    static Port parse(std::string_view tensor, std::vector<Dim> shape = {});

    // The same port, if its parts can stand in a symbol.
    // Throws UsageError: one cannot.
    static Port checked(Port port);

    bool operator==(const Port&) const = default;
};

}  // namespace latentlink
