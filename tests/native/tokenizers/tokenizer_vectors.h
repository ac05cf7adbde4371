// The tokenizers of tests/vectors/tokens.json.
#pragma once

#include <string>

#include "../temporary.h"
#include "../vectors.h"
#include "tokenizers/read.h"
#include "tokenizers/tokenizer.h"

namespace latentlink {

inline const Json& token_vectors() {
    static const Json vectors = read_json("tokens.json");
    return vectors;
}

// The bytes of a `tokenizer.json`: of a record, or of a file of the repository by its path.
inline std::string tokenizer_bytes(const Json& is) {
    if (is.is_object()) return is.dump();
    return content_of(std::filesystem::path(LATENTLINK_VECTORS) / "../.." / is.get<std::string>());
}

// An entry of a list by its name.
inline const Json& named(const Json& entries, const std::string& name) {
    for (const Json& entry : entries) {
        if (entry.at("name") == name) return entry;
    }
    throw std::runtime_error("no entry " + name);
}

inline Tokenizer tokenizer_of(const Json& entry) { return Tokenizer(read_tokenizer(tokenizer_bytes(entry.at("is")))); }

}  // namespace latentlink
