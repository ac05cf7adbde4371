// The part of a run to which classifier-free guidance is applied: all of it, or an interval of noise levels.
//
// Kynkäänniemi et al. 2024 (Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in
// Diffusion Models): guidance hurts at high noise levels and changes nothing at low ones. Outside of the interval a
// step runs only on the prompts' rows, so that it costs half.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linking/link.h"
#include "request/resolved.h"
#include "samplers/solvers/table.h"

namespace latentlink {

// Whether classifier-free guidance is on at this scale: the denoiser has it, and the scale is above 1.
bool applies(const Engine& denoiser, double guidance);

// How the denoiser is guided, by its port: `cfg`, `embedded`, or none.
std::optional<std::string> how_guided(const Engine& denoiser);

// [R], the rows to which guidance is applied if it is on: those whose sigma is above the interval's low end, and at
// most its high end.
std::vector<bool> rows_within(const Request& request, const SamplerTable& table);

// [R], the rows on which the network runs on both halves, the unconditional and the conditional.
// Throws UsageError: an interval was requested but there is no unconditional half to leave out, no row is within it, or
// the engine was not built for both numbers of rows.
std::vector<bool> guided_rows(const Engine& denoiser, const Request& request, const SamplerTable& table);

// Refuse what switches guidance within a run, where the denoiser was not built for both numbers of rows. `what` is the
// setting that does; `off` and `on` say for which rows of the run either number is.
// Throws UsageError: it was not.
void check_both(const Engine& denoiser, int batch, std::string_view what, std::string_view off, std::string_view on);

}  // namespace latentlink
