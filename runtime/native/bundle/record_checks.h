// Checks of untrusted manifest values: an error names the key, the value received and what was expected.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vocabulary/errors.h"
#include "vocabulary/json.h"
#include "vocabulary/symbol_parts.h"

namespace latentlink {

// The remedy for a damaged bundle.
inline constexpr const char* DAMAGED_REMEDY =
    "Get the bundle again, or build it again: latentlink build EXPORTED BUNDLE.";

inline constexpr std::size_t MAX_LABEL = 64;
inline constexpr std::size_t MAX_TEXT = 1024;
inline constexpr std::int64_t MAX_DIM = std::int64_t{1} << 31;  // largest size of a dimension
inline constexpr std::int64_t MAX_INT = std::int64_t{1} << 53;  // a reader that has only doubles sees the same number

// A value of a manifest breaks the format.
class ManifestError final : public BundleError {
  public:
    // `where` is the path of keys to the value, `components.denoiser.engines[0].path`, empty for the whole manifest;
    // `problem` what is wrong with it: `received 3, expected a string`.
    ManifestError(std::string where, std::string problem)
        : BundleError("manifest.json" + (where.empty() ? "" : ", " + where) + ": " + problem + ".", DAMAGED_REMEDY),
          where_(std::move(where)), problem_(std::move(problem)) {}

    // The same error with a prefix before its path.
    ManifestError below(std::string_view prefix) const;

    // What a UsageError about a symbol is, where it is in a manifest.
    static ManifestError of_symbol(std::string_view where, const UsageError& error);

  private:
    std::string where_, problem_;
};

// Call `block`, and put `where` before the path of errors that it throws.
template <typename Block>
decltype(auto) inside(std::string_view where, Block block) {
    try {
        return block();
    } catch (const ManifestError& error) {
        throw error.below(where);
    } catch (const UsageError& error) {
        throw ManifestError::of_symbol(where, error);
    }
}

// `key[3]`
std::string numbered(std::string_view key, std::size_t number);

// A value for a message, shortened as Python's reprlib does: untrusted values may be long.
std::string shortened(const Json& value, bool tuples = false);

// The error for a value.
ManifestError unexpected(std::string_view where, const Json& value, std::string_view expected);

// The same for a list that Python has read into a tuple, and shows as one: `('avx2',)`.
ManifestError unexpected_tuple(std::string_view where, const Json& value, std::string_view expected);

// Refuse values that no key of a manifest may have, before single keys are checked: nesting deeper than 16, numbers
// that are not finite, integers beyond 2^53, strings and keys that cannot be printed or are longer than 1024, and more
// than 250,000 values.
// Throws ManifestError.
void check_tree(const Json& value);

// Each returns the value that it was given, and throws ManifestError if that is not what it should be.
using Keys = std::initializer_list<std::string_view>;
const Json& mapping_of(const Json& value, std::size_t limit);                               // an object
const Json& record_of(const Json& value, const Keys& required, const Keys& optional = {});  // one with these keys
const Json& list_of(std::string_view where, const Json& value, std::size_t limit);
std::int64_t check_int(std::string_view where, const Json& value, std::int64_t low, std::int64_t high);
double check_number(std::string_view where, const Json& value, double low,
                    double high = std::numeric_limits<double>::infinity());  // finite; no bool
const std::string& check_text(std::string_view where, const Json& value, std::size_t limit = MAX_TEXT);  // printable

using Pattern = bool (*)(std::string_view text);
const std::string& check_pattern(std::string_view where, const Json& value, Pattern pattern, std::string_view expected,
                                 std::size_t limit = MAX_LABEL);
const std::string& check_label(std::string_view where, const Json& value);  // `ort-cpu`, `float32`, `pndm`

bool is_label(std::string_view text);       // [a-z0-9]+([-_.+][a-z0-9]+)*
bool is_identifier(std::string_view text);  // [A-Za-z][A-Za-z0-9_]*

// A list whose values are read by `read`; errors name the number of the value.
template <typename Read>
auto each(std::string_view where, const Json& value, Read read, std::size_t limit = 64) {
    std::vector<decltype(read(value))> found;
    for (const Json& item : list_of(where, value, limit)) {
        found.push_back(inside(numbered(where, found.size()), [&] { return read(item); }));
    }
    return found;
}

// An object's items sorted by key, in which order errors are found; keys are short text.
using Items = std::vector<std::pair<std::string, const Json*>>;
Items sorted_items(const Json& value, std::size_t limit, std::size_t length = MAX_LABEL);

}  // namespace latentlink
