#include "text/prompt_embeddings.h"

#include <algorithm>
#include <utility>

#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr const char* AGAIN = "Encode the prompts again: encode_prompt.";

using Sizes = std::map<std::string, std::int64_t, std::less<>>;

// Whether an array has a port's dtype and shape, but for the first dimension; free sizes go to `lengths`.
bool fits(const Array& array, const Port& port, const SizeLimits& limits, Sizes& lengths) {
    const Shape& sizes = array.shape();
    if (array.dtype() != port.dtype || sizes.size() + 1 != port.shape.size()) return false;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const Dim& dim = port.shape[i + 1];
        if (const auto* fixed = std::get_if<std::int64_t>(&dim)) {
            if (sizes[i] != *fixed) return false;
            continue;
        }
        const std::string& name = std::get<std::string>(dim);
        const auto found = limits.find(name);
        const auto [low, best, high] = found == limits.end() ? SizeRange{1, 1, sizes[i]} : found->second;
        if (sizes[i] < std::max<std::int64_t>(low, 1) || sizes[i] > high) return false;
        if (lengths.emplace(name, sizes[i]).first->second != sizes[i]) return false;
    }
    return true;
}

std::string text_of(const Array& array) {
    std::string sizes;
    for (const std::int64_t size : array.shape()) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    return std::string(name_of(array.dtype())) + " [" + sizes + "]";
}

// As Python writes a list of sizes and names.
std::string text_of(const Port& port) {
    std::string sizes;
    for (std::size_t i = 1; i < port.shape.size(); ++i) {
        const auto* fixed = std::get_if<std::int64_t>(&port.shape[i]);
        sizes += (i > 1 ? ", " : "") + (fixed ? std::to_string(*fixed) : repr(std::get<std::string>(port.shape[i])));
    }
    return std::string(name_of(port.dtype)) + " of [" + sizes + "]";
}

template <typename Value>
std::string keys_of(const std::map<std::string, Value, std::less<>>& values) {
    std::string keys;
    for (const auto& [key, _] : values) keys += (keys.empty() ? "" : ", ") + key;
    return keys;
}

template <typename A, typename B>
bool same_keys(const std::map<std::string, A, std::less<>>& a, const std::map<std::string, B, std::less<>>& b) {
    return std::ranges::equal(a, b, [](const auto& one, const auto& other) { return one.first == other.first; });
}

// What was received for a port, and what was expected; the sentence after `Prompt 1 has `.
std::string mismatch(const EncodedText& pair, bool has_negative, const std::string& tensor, const Port& port) {
    std::string received = text_of(pair.prompt);
    if (has_negative) received += " and " + (pair.negative ? text_of(*pair.negative) : "NoneType");
    return received + " for " + tensor + "; expected " + text_of(port) + ", for the negative prompt too.";
}

}  // namespace

PromptEmbeddings::PromptEmbeddings(std::vector<std::string> prompts,
                                   std::vector<std::optional<std::string>> negative_prompts,
                                   std::vector<EncodedPrompt> arrays)
    : prompts_(std::move(prompts)), negative_prompts_(std::move(negative_prompts)), arrays_(std::move(arrays)) {
    if (prompts_.empty() || prompts_.size() != negative_prompts_.size() || prompts_.size() != arrays_.size()) {
        throw UsageError("Received " + std::to_string(prompts_.size()) + " prompts, " +
                             std::to_string(negative_prompts_.size()) + " negative prompts and embeddings of " +
                             std::to_string(arrays_.size()) + "; expected as many of each, at least one.",
                         AGAIN);
    }
}

void PromptEmbeddings::check(const std::map<std::string, Port, std::less<>>& ports, const SizeLimits& limits,
                             std::string_view reader) const {
    for (std::size_t i = 0; i < arrays_.size(); ++i) {
        const std::string title = "Prompt " + std::to_string(i + 1);
        if (!same_keys(arrays_[i], ports)) {
            const std::string found = keys_of(arrays_[i]);
            throw LinkError(title + " was encoded to " + (found.empty() ? "nothing" : found) + ", but " +
                                std::string(reader) + " reads " + keys_of(ports) + ".",
                            "Encode it with this pipeline: encode_prompt.");
        }
        const bool has_negative = negative_prompts_[i].has_value();
        Sizes lengths;
        for (const auto& [tensor, pair] : arrays_[i]) {
            const Port& port = ports.find(tensor)->second;
            const bool prompt_fits = fits(pair.prompt, port, limits, lengths);
            const bool negative_fits =
                has_negative ? pair.negative && fits(*pair.negative, port, limits, lengths) : !pair.negative;
            if (!prompt_fits || !negative_fits) {
                throw UsageError(title + " has " + mismatch(pair, has_negative, tensor, port), AGAIN);
            }
        }
    }
}

std::size_t PromptEmbeddings::nbytes() const {
    std::size_t bytes = 0;
    for (const EncodedPrompt& one : arrays_) {
        for (const auto& [_, pair] : one) {
            bytes += pair.prompt.bytes().size() + (pair.negative ? pair.negative->bytes().size() : 0);
        }
    }
    return bytes;
}

}  // namespace latentlink
