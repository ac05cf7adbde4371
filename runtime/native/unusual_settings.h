// The settings of a request that its model was not made for, each found by a rule of its own.
//
// They are what a guard names before it blames an engine. docs/guards.md has the measurements behind the limits.
#pragma once

#include <vector>

#include "bundle/sampling.h"
#include "guards/unusual.h"
#include "request/resolved.h"
#include "samplers/solvers/table.h"

namespace latentlink {

// The unusual settings of a resolved request, the most likely cause of a fault first. `model` are the model's defaults
// and `table` the rows that run; the guidance counts if the denoiser reads it (`guided`), weights in prompts if the
// text encoder reads them (`weighted`).
std::vector<Unusual> unusual_settings(const Request& request, const Sampling& model, const SamplerTable& table,
                                      bool guided, bool weighted);

}  // namespace latentlink
