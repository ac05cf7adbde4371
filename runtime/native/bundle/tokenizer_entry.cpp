#include "bundle/tokenizer_entry.h"

#include <array>

#include "bundle/paths.h"
#include "bundle/record_checks.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::int64_t MAX_ID = (std::int64_t{1} << 31) - 1;
constexpr std::int64_t MAX_LENGTH = 1 << 15;
constexpr std::int64_t MAX_VECTORS = 1024;
constexpr std::size_t MAX_WORDS = 1024;

constexpr std::array<std::string_view, 3> OVERFLOWS = {"refuse", "truncate", "chunk"};

std::optional<std::int64_t> id_of(std::string_view key, const Json& value) {
    if (value.is_null()) return std::nullopt;
    return check_int(key, value, 0, MAX_ID);
}

Overflow overflow_of(const Json& value) {
    for (std::size_t number = 0; number < OVERFLOWS.size(); ++number) {
        if (value == OVERFLOWS[number]) return static_cast<Overflow>(number);
    }
    throw unexpected("overflow", value, "one of " + joined(OVERFLOWS));
}

Json or_null(const std::optional<std::int64_t>& number) { return number ? Json(*number) : Json(); }

}  // namespace

std::string_view name_of(Overflow overflow) { return OVERFLOWS.at(static_cast<std::size_t>(overflow)); }

Json TokenizerEntry::to_json() const {
    Json record = {{"path", path},
                   {"max_length", max_length},
                   {"pad_id", pad_id},
                   {"start_id", or_null(start_id)},
                   {"end_id", or_null(end_id)},
                   {"overflow", name_of(overflow)}};
    if (!vectors.empty()) record["vectors"] = vectors;
    return record;
}

TokenizerEntry TokenizerEntry::from_json(const Json& value) {
    const Json& record =
        record_of(value, {"path", "max_length", "pad_id", "start_id", "end_id", "overflow"}, {"vectors"});
    TokenizerEntry entry;
    entry.path = check_path("path", record["path"]);
    entry.max_length = check_int("max_length", record["max_length"], 1, MAX_LENGTH);
    const int ends = !record["start_id"].is_null() + !record["end_id"].is_null();
    if (entry.max_length <= ends) {
        throw unexpected("max_length", entry.max_length,
                         "more than the " + std::to_string(ends) + " tokens that begin and end a prompt");
    }
    entry.pad_id = check_int("pad_id", record["pad_id"], 0, MAX_ID);
    entry.start_id = id_of("start_id", record["start_id"]);
    entry.end_id = id_of("end_id", record["end_id"]);
    entry.overflow = overflow_of(record["overflow"]);
    if (!record.contains("vectors")) return entry;
    inside("vectors", [&] {
        for (const auto& [word, count] : sorted_items(record["vectors"], MAX_WORDS, MAX_TEXT)) {
            if (word.empty()) throw unexpected("", word, "a word");
            entry.vectors[word] = check_int(word, *count, 2, MAX_VECTORS);
        }
    });
    return entry;
}

}  // namespace latentlink
