// A sampler as data: one row of numbers for each call of the denoiser.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "samplers/schedules/prediction.h"

namespace latentlink {

// Columns of a table's rows, in the order in which an engine reads them.
inline constexpr std::array<std::string_view, 11> COLUMNS = {"t",  "c_in", "p",  "q",  "a", "b0",
                                                             "b1", "b2",   "b3", "b4", "c"};

// The noise level of a picture without noise.
inline constexpr Level CLEAN = {1, 0};

// One call of the denoiser and the update after it.
//
//     D  = p*x + q*model(c_in*x, t)
//     x' = a*x + b0*D + b1*D1 + b2*D2 + b3*D3 + b4*D4 + c*noise
//
// D1 is the D of the row before, D2 of the one before that, and so on.
struct Row {
    double t = 0, c_in = 1, p = 0, q = 0, a = 0;
    std::array<double, 5> b = {};
    double c = 0;
    int step = 0;                      // of the requested steps, from 0; a two-call solver has two rows with one number
    Level level = CLEAN;               // see `SamplerTable`
    bool draws = false;                // fresh noise is drawn from the generator, by some samplers even if c is 0
    bool recovers = false;             // see `SamplerTable`
    std::optional<double> sigma = {};  // an entry of the table's sigmas, set if the model does not see `level`
};

// Everything that a sampler does, known before it starts; R is the number of calls of the denoiser.
struct SamplerTable {
    // The table of these rows, whose steps are counted from the first row's; `level_after` the last one.
    // Throws std::invalid_argument: there is no row, a coefficient is not finite, or a row has c and no draw.
    SamplerTable(std::span<const Row> listed, double start_scale, Level level_after = CLEAN);

    std::vector<std::array<double, COLUMNS.size()>> rows;  // [R], in the order of COLUMNS
    std::vector<bool> draws;                               // [R], whether fresh noise is drawn
    std::vector<int> step;                                 // [R], the user's step of a row, from 0 to steps() - 1

    // [R + 1]: before each row, and after the last one, x is `signal*z + noise*eps` for a picture z. A run that starts
    // from a picture noises it to the first level; a run with a mask keeps the rest of the picture at each level.
    // After the last row it is the clean picture, or the level at which another run continues.
    std::vector<Level> levels;

    // [R], ratio of noise to signal in what the model sees; infinite where there is no signal.
    std::vector<double> sigmas;

    // [R], whether `a*x` is the x of an earlier row, recovered from this row's. A mask must not change that x: it
    // changes what the model sees, not what `a` multiplies.
    std::vector<bool> recovers;

    double start_scale;  // the first x of a run that starts from noise is this times standard normal noise

    // Number of steps, for progress.
    int steps() const { return step.back() + 1; }
};

}  // namespace latentlink
