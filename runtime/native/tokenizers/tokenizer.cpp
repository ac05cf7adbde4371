#include "tokenizers/tokenizer.h"

#include <algorithm>
#include <utility>

#include "tokenizers/added_tokens.h"
#include "tokenizers/failure.h"
#include "tokenizers/model.h"
#include "tokenizers/normalizers.h"
#include "tokenizers/pre_tokenizers.h"
#include "tokenizers/read.h"

namespace latentlink {

namespace {

constexpr std::string_view USED[] = {"added_tokens", "normalizer", "pre_tokenizer", "model"};

// Refuse text that holds half of a surrogate pair, as no prompt does.
void check_text(std::string_view text) {
    for (std::size_t place = text.find('\xED'); place != std::string_view::npos; place = text.find('\xED', place + 1)) {
        if (place + 1 < text.size() && static_cast<unsigned char>(text[place + 1]) >= 0xA0) {
            throw TokenizerError("'utf-8' codec can't encode characters: surrogates not allowed");
        }
    }
}

// The same of all text in a value, whose parts are not nested deeper than a checked file's are.
void check_texts(const FlatValue& value) {
    if (value.is(FlatValue::Kind::text)) return check_text(value.text());
    if (!value.is(FlatValue::Kind::list) && !value.is(FlatValue::Kind::object)) return;
    for (const auto& [key, member] : value) {
        check_text(key);
        check_texts(member);
    }
}

}  // namespace

struct Tokenizer::Steps {
    FlatJson json;
    std::vector<Normalizer> normalizers;
    std::vector<PreTokenizer> pre_tokenizers;
    std::unique_ptr<const TokenModel> model;
    std::optional<AddedTokens> added = {};

    std::vector<AlignedText> words(AlignedText text) const {
        std::vector<AlignedText> words = {std::move(text)};
        for (const PreTokenizer& divide : pre_tokenizers) {
            std::vector<AlignedText> divided;
            for (AlignedText& word : words) {
                if (!word.empty()) std::ranges::move(divide(std::move(word)), std::back_inserter(divided));
            }
            words = std::move(divided);
        }
        return words;
    }
};

Tokenizer::Tokenizer(TokenizerRecord record) {
    auto steps = std::make_unique<Steps>();
    steps->json = std::move(record.json);
    const FlatValue root = steps->json.root();
    for (const std::string_view key : USED) check_texts(*root.find(key));
    steps->normalizers = make_normalizers(*root.find("normalizer"));
    steps->pre_tokenizers = make_pre_tokenizers(*root.find("pre_tokenizer"));
    steps->model = make_model(*root.find("model"), record.merges);
    steps->added.emplace(*root.find("added_tokens"), *steps->model, steps->normalizers);
    steps_ = std::move(steps);
}

Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<Token> Tokenizer::encode(std::string_view text) const {
    std::vector<Token> tokens;
    for (TextPart& part : steps_->added->parts(text, steps_->normalizers)) {
        if (part.id) {
            tokens.push_back({*part.id, part.text.text(), part.text.begin()});
            continue;
        }
        for (const AlignedText& word : steps_->words(std::move(part.text))) {
            if (word.empty()) continue;
            for (WordToken& token : steps_->model->read(word.text())) {
                tokens.push_back({token.id, std::move(token.text), word.origin(token.begin)});
            }
        }
    }
    return tokens;
}

}  // namespace latentlink
