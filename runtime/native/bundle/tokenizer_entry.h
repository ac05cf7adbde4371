// The manifest's record of a tokenizer: which file it is and how token ids are made with it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "vocabulary/json.h"

namespace latentlink {

// What is done with a prompt that has more tokens than its text encoder reads.
enum class Overflow {
    refuse,
    truncate,  // as another encoder of the model reads the rest
    chunk,     // read in several pieces, whose embeddings follow each other; (words:1.3) are weighted
};

// `refuse`, as in a manifest.
std::string_view name_of(Overflow overflow);

// How the token ids of a component are made.
struct TokenizerEntry {
    std::string path;             // a `tokenizer.json` of the bundle
    std::int64_t max_length = 0;  // tokens of a prompt, including start and end; at least one more than these
    std::int64_t pad_id = 0;      // fills a prompt up to `max_length`
    std::optional<std::int64_t> start_id = {}, end_id = {};  // first and last token of every prompt
    Overflow overflow = Overflow::refuse;
    // By word that stands for several tokens, their number: a textual inversion `X` of three vectors is read as
    // `X X_1 X_2`.
    std::map<std::string, std::int64_t, std::less<>> vectors = {};

    Json to_json() const;

    // Throws ManifestError.
    static TokenizerEntry from_json(const Json& value);

    bool operator==(const TokenizerEntry&) const = default;
};

}  // namespace latentlink
