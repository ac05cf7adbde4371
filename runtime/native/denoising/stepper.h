// The stepper: one row of each of several runs, in one run of the engine. It never decides which runs.
//
// A batch keeps one buffer per tensor while the same runs step together, so that nothing but a row of numbers crosses
// to the device. Runs that join or leave are gathered into the buffers of a new batch.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "denoising/run.h"
#include "linking/link.h"

namespace latentlink {

// Steps runs of one denoiser and one picture size.
class Stepper {
  public:
    // `shallow` is the engine of shallow rows, which can read the denoiser's buffers; null if no run has any. `latent`
    // is the denoiser's latent output.
    Stepper(const Engine& denoiser, SessionPtr shallow, Port latent);

    // Run the next row of each run. All have the same key and the same kinds of constant inputs.
    // Throws what `Session::run` throws.
    void step(std::span<Run* const> runs) const;

    // Replace the latents of runs that have stepped, [B, C, h, w] of the engine's dtype.
    void write(std::span<Run* const> runs, const Array& latents) const;

    // Wait for the rows that ran.
    void wait() const;

    DType dtype() const { return latent_.dtype; }

  private:
    friend class StepBatch;

    SessionPtr session_, shallow_;
    Port latent_;
    std::string x_, noise_, denoised_, coefficients_;
    std::optional<std::string> guidance_;
    std::vector<Port> features_;
    std::array<std::string, HISTORY> history_;
    std::set<std::string, std::less<>> reads_, shallow_reads_;  // tensors that the engines read
    std::size_t least_;                                         // rows of the smallest batch that the engine takes
};

// The finished latents that the last rows of runs predicted, float32 [B, C, h, w]; at least one row ran.
Array predicted(std::span<Run* const> runs);

}  // namespace latentlink
