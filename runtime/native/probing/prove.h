// The proofs that `load` asks for before anything is drawn: of every engine, and of components from other bundles.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "linking/opening.h"
#include "linking/source.h"
#include "probing/earlier.h"

namespace latentlink {

// Proves the engines of a pipeline.
struct Prover {
    Sources sources;  // all components of the pipeline: the denoiser's bundle says what latents mean
    Opening opening;  // how engines are opened
    // None: a proof of an earlier load counts. True: only one of now counts. False: none is needed.
    std::optional<bool> verify = {};
    EarlierProofs earlier;

    // The decisions on all engines, see `prove`; those that replace others are run first.
    std::vector<Decision> prove_all(std::span<const OpenedEngine> engines) const;

    // Run the probes of one engine, and return the decision with what they showed.
    // Throws BundleError: it does not compute what its bundle's probes say, or has none; LinkError: the same where
    // another bundle than the pipeline's takes part, or it does not compute what the denoiser's bundle means by its
    // symbols.
    Decision prove(const OpenedEngine& opened) const;

  private:
    bool replaces(const OpenedEngine& opened) const;
    std::optional<Proof> proof(const OpenedEngine& opened) const;
    std::optional<Admission> admission(const OpenedEngine& opened) const;

    template <typename Kind>
    std::optional<Kind> once(const OpenedEngine& opened, std::span<const Bundle* const> bundles,
                             const std::function<std::optional<Kind>()>& run) const;
};

}  // namespace latentlink
