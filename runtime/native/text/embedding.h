// From token ids to embeddings, which stay on the text encoder's device unless the host has to compute with them.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>

#include "linking/link.h"
#include "sessions/session.h"
#include "text/prompts.h"
#include "vocabulary/array.h"

namespace latentlink {

// One text output for several prompts.
struct Embeddings {
    SessionPtr session;  // owns the buffer
    BufferPtr buffer;    // `[P*K, L, D]`: P prompts with K pieces each, prompt by prompt; pooled ones `[P*K, D]`
    int pieces = 1;      // K
    Shape shape;         // of one prompt's embedding: `[K*L, D]`, or `[D]` if it is pooled, from the first piece

    // Embeddings of the prompts with these numbers, `[N, K*L, D]` or `[N, D]`; -1 gives a row of zeros.
    BufferPtr rows(std::span<const int> numbers) const;
};

// Run a text encoder; returns every text output by tensor name. `read` is of the prompts, and of the empty prompt last.
//
// A weighted token's embedding moves away from, or towards, the empty prompt's embedding at the same position:
// `empty + weight * (embedding - empty)`.
//
// Throws what the session's run throws.
std::map<std::string, Embeddings, std::less<>> encode(const Engine& engine, const Tokens& read);

}  // namespace latentlink
