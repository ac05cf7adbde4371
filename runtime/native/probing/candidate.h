// Replacement components from another bundle: does one read, or write, the same latents as the denoiser's own?
//
// Its symbol says so, but a symbol can be forged, and a decoder may have been fine-tuned or distilled. So it runs on
// the golden inputs of the denoiser's model, and its output is compared with that of the model's own component.
//
// Two numbers decide, both in dB, so that pictures of any contrast are judged alike:
//
// - The signal-to-noise ratio: how much of the golden output it explains, `var(golden) / mse`. The output of another
//   model's component explains nothing: 0 dB or less.
// - The gain from an affine correction of the latents, with a common factor and one shift per channel. A component that
//   was trained on these latents reads them best unchanged; one with another scaling factor, whose pictures may look
//   right, gains decibels.
//
// docs/compatibility.md has the measurements behind the limits.
#pragma once

#include <span>
#include <string>

#include "bundle/bundle.h"
#include "bundle/probes.h"
#include "linking/link.h"
#include "quality/agreement.h"

namespace latentlink {

// Least signal-to-noise ratio in dB: a component has to explain three quarters of the golden output.
inline constexpr double LEAST_SNR = 6.0;

// Largest gain in dB that an affine correction of the latents may have.
inline constexpr double MOST_GAIN = 1.0;

// Result of a replacement component on golden inputs.
struct CandidateResult {
    Agreement agreement;  // with the golden outputs, by the thresholds of the model's own component in float32
    double snr;           // dB: the golden output's variance over the mean squared error
    double gain = 0;      // dB of an affine correction of the latents; 0 if it was not measured
    double factor = 1;    // of that correction on the latents

    // Whether it makes the same numbers, within float32's tolerance, whatever precision it computes in.
    bool same() const { return agreement.sufficient(); }

    // Whether it may replace the other component; NaN is never accepted.
    bool accepted() const { return same() || (snr >= LEAST_SNR && gain <= MOST_GAIN); }

    // Why it is refused, as a clause.
    std::string summary() const;
};

// Run a component on the golden inputs of the one that it is to replace. `inputs` and `outputs` are its ports, with the
// same symbols as those of `probes`.
// Throws BundleError: it fails to run, or its outputs have other shapes.
CandidateResult judge(const Probes& probes, const RunEngine& run, std::span<const Port> inputs,
                      std::span<const Port> outputs);

// Check that a component from another bundle, which links by its symbols, reads, or writes, the same latents as the
// denoiser's own. `donor` is its bundle, whose tokenizer belongs to it; `host` the denoiser's, and `host_name` its
// name, as the user gave it; `own` runs the host's own component, for sizes that none of its probes has. Throws
// LinkError: it does not, or the host has no probes to check it by.
CandidateResult check_candidate(const Engine& engine, const Bundle& donor, const Bundle& host,
                                const std::string& host_name, const RunEngine& own);

}  // namespace latentlink
