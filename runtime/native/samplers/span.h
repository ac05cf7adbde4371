// The part of a run that is executed: from a noised picture, or before or after another model's part.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "samplers/solvers/table.h"

namespace latentlink {

// The rows of a whole run that are executed.
class Span {
  public:
    // `strength` is the share of the steps, from 0 to 1, counted from the end; ignored if `start` is given. `start` is
    // the share of the training timesteps, from 0 to below 1, that were done before. `end` is the share, above 0 to 1,
    // after which to stop.
    // Throws UsageError: a value is out of range, or `start` is not below `end`.
    Span(double strength, std::optional<double> start, std::optional<double> end);

    // The request, with the option names of the Python `Pipeline.generate`.
    std::string text() const;

    // The first step that is executed: t_start in the img2img pipelines of diffusers. `whole` are the rows of the whole
    // run of so many steps, each with so many calls of the denoiser, and T is the number of timesteps of training.
    // `rounds_up`: a step that `strength` cuts in two is executed, as in pipelines of flow-matching models.
    int begin(std::span<const Row> whole, int steps, int calls, int T, bool rounds_up) const;

    // The rows of a run before `end`, which can cut a step of two calls in two.
    std::span<const Row> until_end(std::span<const Row> rows, int T) const;

  private:
    double strength_;
    std::optional<double> start_, end_;
};

}  // namespace latentlink
