// From pictures that were asked for to runs that can step.
#pragma once

#include <span>
#include <vector>

#include "denoising/run.h"
#include "denoising/start.h"
#include "request/inputs.h"
#include "request/resolved.h"

namespace latentlink {

// One picture of a generation, as far as it is known before any engine runs.
struct Picture {
    Request request;
    SamplerTable table;           // its sampler's rows
    std::vector<bool> guided;     // [R], its guided rows
    bool paired;                  // whether the unconditional half of its texts is read, or may be
    ConditionNumbers conditions;  // by tensor name
};

// Functions that each draw their own row of what `draw` draws for all, [count, ...]: once for every turn, which a
// function may take before the others.
std::vector<Draw> dealt(const Draw& draw, std::size_t count);

// The runs of the pictures of one call, none of which has begun. `texts` has for each picture the embeddings of its
// text ports; `session` is the denoiser's, `latent` its latent port. Throws UsageError: the latents to start from are
// at another noise level.
std::vector<Run> runs_of(std::span<const Picture> pictures, std::span<const Texts> texts, const Inputs& inputs,
                         Session& session, const Port& latent, const Encode& encode);

}  // namespace latentlink
