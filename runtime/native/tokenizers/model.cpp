#include "tokenizers/model.h"

#include <cstdio>

#include "tokenizers/bpe.h"
#include "tokenizers/unigram.h"

namespace latentlink {

std::unique_ptr<const TokenModel> make_model(const FlatValue& model, const std::vector<Merge>& merges) {
    if (model.find("type")->text() == "BPE") return std::make_unique<Bpe>(model, merges);
    return std::make_unique<Unigram>(model);
}

std::string byte_token(unsigned char byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", static_cast<unsigned>(byte));
    return text;
}

}  // namespace latentlink
