// Decisions made while a pipeline was opened, as values; the command line turns them into sentences.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vocabulary/json.h"

namespace latentlink {

// An engine that was skipped.
struct Skipped {
    std::string component;
    std::string target;
    std::string precision;  // that it computes in; empty if there is no such engine
    // Code of the preflight `Finding`, or `below-gate` (its pictures are not good enough), `refused` (its runtime did
    // not open it) or `no-engine` (the bundle has none for this target).
    std::string code;
    std::string needed = {};
    std::string found = {};  // instead of that
    std::string remedy = {};

    // The reason in words, without the remedy, as errors and the command line say it.
    std::string text() const;

    bool operator==(const Skipped&) const = default;
};

// Result of an engine on the probes of its own bundle, which it reproduces.
struct Proof {
    int probes = 0;    // that it ran on
    double psnr = 0;   // of the worst output, in dB; infinite where all are equal
    double worst = 0;  // largest difference of an element, as a share of the largest value of its output

    bool operator==(const Proof&) const = default;
};

// Result of the probes of a component from another bundle.
struct Admission {
    std::string host;   // name of the bundle whose probes it ran on
    bool same = false;  // whether it makes the same numbers as that bundle's own component
    double snr = 0;     // dB of the golden output that it explains

    bool operator==(const Admission&) const = default;
};

// Which engine of a component runs, and what was decided on the way to it.
struct Decision {
    std::string component;
    std::string bundle;                         // its name, as the user gave it
    std::optional<std::string> target;          // none if the pipeline goes without the component
    std::optional<std::string> precision;       // none if the pipeline goes without the component
    std::vector<Skipped> skipped = {};          // the engines that were preferred
    std::map<std::string, int> placement = {};  // number of nodes of a GPU engine by the provider that runs them
    std::optional<Proof> proof = {};            // by its own bundle's probes, now or in an earlier load
    std::optional<Admission> admission = {};    // by the probes of the denoiser's bundle, for one from another bundle
    std::string purpose = "run";                // `preview` for a decoder that only makes previews

    // The decision as plain values. An infinite number stays one, which JSON cannot write.
    Json to_json() const;

    bool operator==(const Decision&) const = default;
};

}  // namespace latentlink
