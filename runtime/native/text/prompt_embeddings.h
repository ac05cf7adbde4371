// Prompts that were encoded once, for several generations.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/engine_entry.h"
#include "vocabulary/array.h"
#include "vocabulary/ports.h"

namespace latentlink {

// The embeddings of one text port: `[L, D]` each, or `[D]` if they are pooled.
struct EncodedText {
    Array prompt;
    std::optional<Array> negative = {};  // none where the negative prompt's is zeros
};

// The embeddings of one prompt, by tensor name of the denoiser's text ports.
using EncodedPrompt = std::map<std::string, EncodedText, std::less<>>;

// Prompts and their negative prompts as a model's text encoders wrote them. Threads may share one. It fits every model
// that reads the same symbols.
class PromptEmbeddings {
  public:
    // A negative prompt is none where the model compares with zeros.
    // Throws UsageError: there are not as many of each, or none.
    PromptEmbeddings(std::vector<std::string> prompts, std::vector<std::optional<std::string>> negative_prompts,
                     std::vector<EncodedPrompt> arrays);

    const std::vector<std::string>& prompts() const { return prompts_; }
    const std::vector<std::optional<std::string>>& negative_prompts() const { return negative_prompts_; }
    const std::vector<EncodedPrompt>& arrays() const { return arrays_; }

    // Check that a denoiser can read them: `ports` are its text ports by tensor name, `limits` the sizes that it was
    // built for, `reader` its name for messages.
    // Throws LinkError: they are of another model; UsageError: they are not what an encoder makes.
    void check(const std::map<std::string, Port, std::less<>>& ports, const SizeLimits& limits,
               std::string_view reader) const;

    // Bytes that the embeddings take.
    std::size_t nbytes() const;

  private:
    std::vector<std::string> prompts_;
    std::vector<std::optional<std::string>> negative_prompts_;
    std::vector<EncodedPrompt> arrays_;
};

}  // namespace latentlink
