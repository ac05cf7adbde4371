#include "text/prompts.h"

#include <algorithm>
#include <set>

#include "text/inversions.h"
#include "text/tokenizing.h"
#include "text/weighting.h"
#include "vocabulary/texts.h"

namespace latentlink {

Prompts::Prompts(const std::filesystem::path& file, TokenizerEntry entry)
    : tokenizer_(std::make_shared<const Tokenizer>(open_tokenizer(file, entry.path))), entry_(std::move(entry)),
      room_(static_cast<std::size_t>(entry_.max_length - entry_.start_id.has_value() - entry_.end_id.has_value())) {}

int Prompts::pieces(std::span<const std::string> prompts) const {
    std::size_t most = 1;
    if (chunks()) {
        for (const std::string& prompt : prompts) most = std::max(most, (read(prompt).size() + room_ - 1) / room_);
    }
    return static_cast<int>(most);
}

Tokens Prompts::tokens(std::span<const std::string> prompts, int pieces) const {
    const Shape shape = {static_cast<std::int64_t>(prompts.size()), pieces, entry_.max_length};
    Tokens made = {Array(DType::int32, shape), Array(DType::float32, shape)};
    const auto ids = made.ids.as<std::int32_t>();
    const auto weights = made.weights.as<float>();
    std::ranges::fill(ids, static_cast<std::int32_t>(entry_.pad_id));
    std::ranges::fill(weights, 1.0f);
    const auto length = static_cast<std::size_t>(entry_.max_length), count = static_cast<std::size_t>(pieces);
    for (std::size_t row = 0; row < prompts.size(); ++row) {
        std::vector<Weighted> found = read(prompts[row]);
        if (entry_.overflow == Overflow::truncate && found.size() > room_) found.resize(room_);
        if (found.size() > count * room_) throw too_long(prompts[row], found.size());
        for (std::size_t piece = 0; piece < count; ++piece) {
            std::size_t place = (row * count + piece) * length;
            if (entry_.start_id) ids[place++] = static_cast<std::int32_t>(*entry_.start_id);
            const std::size_t first = std::min(piece * room_, found.size());
            for (const auto& [id, weight] : std::span(found).subspan(first, std::min(room_, found.size() - first))) {
                ids[place] = static_cast<std::int32_t>(id);
                weights[place++] = static_cast<float>(weight);
            }
            if (entry_.end_id) ids[place] = static_cast<std::int32_t>(*entry_.end_id);
        }
    }
    return made;
}

std::vector<Prompts::Weighted> Prompts::read(const std::string& prompt) const {
    std::vector<Weighted> tokens;
    const auto parts = chunks() ? weighted_parts(prompt) : std::vector<WeightedPart>{{prompt, 1}};
    for (const auto& [text, weight] : parts) {
        for (const Token& token : encode(written_out(text))) tokens.emplace_back(token.id, weight);
    }
    return tokens;
}

std::string Prompts::written_out(std::string text) const {
    if (entry_.vectors.empty()) return text;
    std::set<std::string, std::less<>> tokens;
    for (Token& token : encode(text)) tokens.insert(std::move(token.text));
    return expanded(std::move(text), tokens, entry_.vectors);
}

std::vector<Token> Prompts::encode(std::string_view text) const {
    return latentlink::encode(*tokenizer_, text, entry_.path);
}

UsageError Prompts::too_long(const std::string& prompt, std::size_t count) const {
    const std::string text = written_out(prompt);
    const std::vector<Token> tokens = encode(text);
    const std::size_t first = room_ < tokens.size() ? std::min(tokens[room_].begin, text.size()) : text.size();
    return UsageError("The prompt has " + std::to_string(count) + " tokens, but the text encoder reads " +
                          std::to_string(room_) + "; it would not see: " + repr(text.substr(first)) + ".",
                      "Shorten the prompt.");
}

}  // namespace latentlink
