// What a denoiser reads beside latents: text embeddings and conditions of every picture.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "denoising/run.h"
#include "linking/link.h"
#include "request/resolved.h"
#include "text/prompt_embeddings.h"
#include "text/prompts.h"

namespace latentlink {

// A tokenizer for every text encoder, by its component.
using PromptsByEncoder = std::map<std::string, Prompts, std::less<>>;

// For every picture, the embeddings of the denoiser's text ports. A prompt and its negative prompt have as many pieces
// as the longer of them needs, whatever the other pictures have: so that each picture is the one that it would be
// alone. Equal prompts are encoded once. `paired`: for every picture whether the unconditional half is read too.
// Throws UsageError: a prompt is longer than an encoder or the denoiser reads.
std::vector<Texts> read_texts(const Linked& linked, const PromptsByEncoder& prompts, std::span<const Request> requests,
                              const std::vector<bool>& paired);

// For every prompt that was encoded before, its embeddings on the denoiser's device.
std::vector<Texts> upload_texts(const Linked& linked, const PromptEmbeddings& encoded);

// The embeddings of every prompt on the host, by tensor name, as `PromptEmbeddings` holds them.
std::vector<EncodedPrompt> download_texts(std::span<const Texts> texts);

// By tensor name of the denoiser's condition ports, the numbers of the prompt and of the unconditional half.
// Throws BundleError: the manifest has no such numbers.
ConditionNumbers conditions_of(const Engine& denoiser, const Request& request);

// All embeddings of a port on the host, for the guard, as arrays of any number of rows.
std::vector<Array> embeddings(std::span<const Texts> texts, std::string_view tensor);

}  // namespace latentlink
