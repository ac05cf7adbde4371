#include "denoising/conditioning.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "text/embedding.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// A prompt and its negative prompt, which is none where it is not read, or is zeros.
struct Pair {
    std::optional<std::string> negative;
    std::string prompt;

    std::vector<std::string> texts() const {
        return negative ? std::vector<std::string>{*negative, prompt} : std::vector<std::string>{prompt};
    }
};

using Rows = std::map<std::string, Slot, std::less<>>;          // by text, its embedding
using RowsByTensor = std::map<std::string, Rows, std::less<>>;  // by tensor name of the denoiser's port
using TokensByEncoder = std::map<std::string, Tokens, std::less<>>;

// The text encoders, each once, in the order of the denoiser's ports.
std::vector<Engine> encoders_of(const Linked& linked) {
    std::vector<Engine> found;
    for (const LinkedText& text : linked.texts) {
        if (std::ranges::find(found, text.engine.component, &Engine::component) == found.end()) {
            found.push_back(text.engine);
        }
    }
    return found;
}

std::vector<std::string> distinct(std::span<const std::string> texts) {
    std::vector<std::string> found;
    for (const std::string& text : texts) {
        if (std::ranges::find(found, text) == found.end()) found.push_back(text);
    }
    return found;
}

// Refuse prompts that are longer than the denoiser was built for.
void check_length(const Engine& denoiser, const std::string& tensor, const Tokens& read) {
    const auto port =
        std::ranges::find_if(denoiser.declared.first, [&tensor](const Port& one) { return one.tensor() == tensor; });
    if (port == denoiser.declared.first.end() || port->shape.size() != 3) return;
    const auto* dim = std::get_if<std::string>(&port->shape[1]);
    const auto limit = dim ? denoiser.limits.find(*dim) : denoiser.limits.end();
    if (limit == denoiser.limits.end()) return;
    const std::int64_t pieces = read.ids.size(1), length = pieces * read.ids.size(2), most = limit->second[2];
    if (length <= most) return;
    throw UsageError("The prompt is read in " + std::to_string(pieces) + " pieces = " + std::to_string(length) +
                         " tokens, but " + denoiser.title() + " was built for at most " + std::to_string(most) + ".",
                     "Shorten the prompt, or use an engine without limits: build the bundle for ort-cpu too.");
}

// The embedding of each text in so many pieces.
RowsByTensor encoded(const Linked& linked, const PromptsByEncoder& prompts, std::span<const std::string> texts,
                     int pieces) {
    const std::vector<std::string> own = distinct(texts);
    std::vector<std::string> with_empty = own;
    with_empty.emplace_back();
    TokensByEncoder read;
    for (const Engine& engine : encoders_of(linked)) {
        const Prompts& tokenizer = prompts.at(engine.component);
        read.emplace(engine.component, tokenizer.tokens(with_empty, tokenizer.chunks() ? pieces : 1));
    }
    for (const LinkedText& text : linked.texts) {
        check_length(linked.denoiser, text.tensor, read.at(text.engine.component));
    }
    std::map<std::string, std::map<std::string, Embeddings, std::less<>>> written;
    for (const Engine& engine : encoders_of(linked)) {
        written.emplace(engine.component, encode(engine, read.at(engine.component)));
    }
    std::vector<int> numbers(own.size());
    std::iota(numbers.begin(), numbers.end(), 0);
    RowsByTensor made;
    for (const LinkedText& text : linked.texts) {
        const Embeddings& embeddings = written.at(text.engine.component).at(text.port.tensor());
        const BufferPtr buffer = linked.denoiser.session->take(embeddings.rows(numbers));
        const auto rows = slots(buffer, own.size(), embeddings.shape);
        for (std::size_t i = 0; i < own.size(); ++i) made[text.tensor].emplace(own[i], rows[i]);
    }
    return made;
}

// Pieces of each pair: encoders whose embeddings are joined must agree on their number.
std::vector<int> pieces_of(const Linked& linked, const PromptsByEncoder& prompts, std::span<const Pair> wanted) {
    std::vector<int> pieces;
    for (const Pair& pair : wanted) {
        int most = 1;
        for (const Engine& engine : encoders_of(linked)) {
            most = std::max(most, prompts.at(engine.component).pieces(pair.texts()));
        }
        pieces.push_back(most);
    }
    return pieces;
}

std::pair<Numbers, Numbers> numbers_of(const Engine& denoiser, const Port& port, const Request& request) {
    const auto pair = request.conditions.find(port.name);
    const auto size = static_cast<std::size_t>(port.size('k'));
    if (pair != request.conditions.end() && pair->second.first.size() == size) return pair->second;
    const std::string found = pair == request.conditions.end() ? "none" : std::to_string(pair->second.first.size());
    throw BundleError(denoiser.title() + " reads the condition " + repr(port.name) + " of " + std::to_string(size) +
                          " numbers, but the manifest's sampling has " + found + " for it.",
                      "The manifest was edited or belongs to another engine: build the bundle again.");
}

Array copied(const Slot& slot) { return on_host(std::span(&slot, 1)).row(0); }

}  // namespace

std::vector<Texts> read_texts(const Linked& linked, const PromptsByEncoder& prompts, std::span<const Request> requests,
                              const std::vector<bool>& paired) {
    std::vector<Pair> wanted;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        wanted.push_back({paired.at(i) ? requests[i].negative_prompt : std::nullopt, requests[i].prompt});
    }
    const std::vector<int> pieces = pieces_of(linked, prompts, wanted);
    std::vector<Texts> made(requests.size());
    for (const int count : std::set<int>(pieces.begin(), pieces.end())) {
        std::vector<std::string> texts;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            if (pieces[i] == count) std::ranges::move(wanted[i].texts(), std::back_inserter(texts));
        }
        for (const auto& [tensor, rows] : encoded(linked, prompts, texts, count)) {
            for (std::size_t i = 0; i < wanted.size(); ++i) {
                if (pieces[i] != count) continue;
                Text& text = made[i][tensor];
                text.prompt = rows.at(wanted[i].prompt);
                if (wanted[i].negative) text.unconditional = rows.at(*wanted[i].negative);
            }
        }
    }
    return made;
}

std::vector<Texts> upload_texts(const Linked& linked, const PromptEmbeddings& encoded) {
    std::vector<Texts> made;
    for (const EncodedPrompt& arrays : encoded.arrays()) {
        Texts own;
        for (const auto& [tensor, text] : arrays) {
            std::vector<Array> both = {text.prompt};
            if (text.negative) both.push_back(*text.negative);
            const auto rows = slots(linked.denoiser.session->upload(stack(both)), both.size(), text.prompt.shape());
            own[tensor] = {rows.front(), text.negative ? std::optional(rows.back()) : std::nullopt};
        }
        made.push_back(std::move(own));
    }
    return made;
}

std::vector<EncodedPrompt> download_texts(std::span<const Texts> texts) {
    std::vector<EncodedPrompt> made;
    for (const Texts& one : texts) {
        EncodedPrompt own;
        for (const auto& [tensor, text] : one) {
            own[tensor].prompt = copied(text.prompt);
            if (text.unconditional) own[tensor].negative = copied(*text.unconditional);
        }
        made.push_back(std::move(own));
    }
    return made;
}

ConditionNumbers conditions_of(const Engine& denoiser, const Request& request) {
    ConditionNumbers made;
    for (const Port& port : denoiser.session->inputs()) {
        if (port.kind == "condition") made[port.tensor()] = numbers_of(denoiser, port, request);
    }
    return made;
}

std::vector<Array> embeddings(std::span<const Texts> texts, std::string_view tensor) {
    std::set<const Buffer*> seen;
    std::vector<Array> arrays;
    for (const Texts& one : texts) {
        const Text& text = one.at(std::string(tensor));
        for (const Slot* slot : {&text.prompt, text.unconditional ? &*text.unconditional : nullptr}) {
            if (slot && seen.insert(slot->buffer.get()).second) arrays.push_back(slot->buffer->host());
        }
    }
    return arrays;
}

}  // namespace latentlink
