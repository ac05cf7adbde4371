// The denoising loop: all runs of a call, row by row, and what a caller changes between two rows.
#pragma once

#include <optional>
#include <vector>

#include "denoising/progress.h"
#include "denoising/run.h"
#include "denoising/stepper.h"
#include "linking/link.h"

namespace latentlink {

// x after the last row.
struct DenoiseResult {
    Array array;  // x of every run on the host, [B, C, h, w]
    BufferPtr
        buffer;      // x in the denoiser's buffer; null if the runs ended in several, or the host blended a picture in
    double seconds;  // that the runs spent inside engines
};

// Runs every row of every run; runs whose next rows fit into one run of the engine take it together.
//
//     Denoising denoising(denoiser, stepper, std::move(runs), watched);
//     while (const auto progress = denoising.advance()) { ... denoising.change({.guidance = 1}); }
//     const DenoiseResult done = denoising.result();
class Denoising {
  public:
    // No run has begun. `watched`: wait for each row before it is reported, so that progress is true and a cancelled
    // run has little left to do.
    Denoising(const Engine& denoiser, Stepper stepper, std::vector<Run> runs, bool watched);

    Denoising(const Denoising&) = delete;  // progress and batches refer to its runs
    Denoising& operator=(const Denoising&) = delete;

    // Run the next row of every run that has one; none once all rows ran. What `Progress` computes is valid until the
    // next call. Throws what `Session::run` throws.
    std::optional<Progress> advance();

    // What to change from here on, after a row.
    // Throws UsageError: it is not a change that the runs can take.
    void change(const Change& change);

    // x after the last row, once `advance` returned none.
    DenoiseResult result();

  private:
    void change_guidance(const Json& value);
    void change_latents(const Array& latents);

    Engine denoiser_;
    Stepper stepper_;
    std::vector<Run> runs_;
    std::vector<Run*> all_;
    const Run* longest_;
    bool watched_;
    double engines_before_ = 0;
    std::optional<double> began_ = {};  // by `perf_counter`
};

// The table's rows as an engine reads them, with the columns for blending, float32 [R, 15]; the first row does not
// blend. `blends`: a picture is kept outside of a mask.
Array coefficients(const SamplerTable& table, bool blends);

}  // namespace latentlink
