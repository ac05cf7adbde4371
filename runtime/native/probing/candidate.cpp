#include "probing/candidate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <optional>

#include "probing/fitting.h"
#include "probing/least_squares.h"
#include "probing/running.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::size_t CORRECTION_PROBES = 2;  // that the correction is fitted on: each costs one run per channel
constexpr std::size_t ADDED_PROBES = 2;       // made for a component if its sizes fit none of the host's probes

// Step of the finite differences, in standard deviations of a latent: well above the rounding of 8-bit pictures.
constexpr double STEP = 0.25;

using Numbers = std::vector<double>;
using Pair = std::pair<Array, Array>;  // an output, and what it should be

Numbers as_doubles(const Array& array) {
    const Array floats =
        array.dtype() == DType::float16 || array.dtype() == DType::bfloat16 ? array.to(DType::float32) : array;
    const auto copied = [](const auto& values) { return Numbers(values.begin(), values.end()); };
    switch (floats.dtype()) {
        case DType::uint8: return copied(floats.as<std::uint8_t>());
        case DType::int32: return copied(floats.as<std::int32_t>());
        case DType::int64: {
            Numbers numbers;
            for (const std::int64_t value : floats.as<std::int64_t>()) numbers.push_back(static_cast<double>(value));
            return numbers;
        }
        default: return copied(floats.as<float>());
    }
}

double sum_of_squares(const Numbers& a, const Numbers& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

// By element of an array, the channel that it belongs to; an array that was sampled for its size counts as one channel.
struct Channels {
    std::size_t count = 1;  // of channels
    std::size_t inner = 1;  // elements that follow each other in one channel

    Channels(const Shape& shape, bool latent) {
        if (shape.size() < 2) return;
        const std::size_t axis = latent ? 1 : shape.size() - 1;
        count = static_cast<std::size_t>(shape[axis]);
        inner = count_of(std::span(shape).subspan(axis + 1));
    }

    std::size_t of(std::size_t element) const { return element / inner % count; }
};

// The numbers less the mean of their channel.
Numbers centred(Numbers numbers, const Channels& channels) {
    Numbers means(channels.count, 0.0);
    const double each = static_cast<double>(numbers.size()) / static_cast<double>(channels.count);
    for (std::size_t i = 0; i < numbers.size(); ++i) means[channels.of(i)] += numbers[i] / each;
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] -= means[channels.of(i)];
    return numbers;
}

// The reference's variance around each channel's mean over the mean squared error, in dB.
double signal_to_noise(std::span<const Pair> pairs, bool latent) {
    double signal = 0, error = 0;
    for (const auto& [output, reference] : pairs) {
        const Numbers wanted = as_doubles(reference);
        const Numbers varied = centred(wanted, Channels(reference.shape(), latent));
        signal += std::inner_product(varied.begin(), varied.end(), varied.begin(), 0.0);
        error += sum_of_squares(as_doubles(output), wanted);
    }
    return decibel(signal, error);
}

struct Correction {
    double gain, factor;
};

// The latents `z + correction[0] * z + correction[1:]`, a shift a channel.
Array corrected(const Array& latent, const Numbers& correction) {
    const Channels channels(latent.shape(), true);
    const Numbers numbers = as_doubles(latent);
    Array made(DType::float32, latent.shape());
    const auto into = made.as<float>();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        into[i] = static_cast<float>((1 + correction[0]) * numbers[i] + correction[1 + channels.of(i)]);
    }
    return made.to(latent.dtype());
}

// Gain of a decoder if its latents are corrected, by one Gauss-Newton step, and the correction's factor.
Correction reading(std::span<const Probe> probes, const RunEngine& run, const Port& latent) {
    const std::span<const Probe> chosen = probes.first(std::min(CORRECTION_PROBES, probes.size()));
    const auto unknowns = static_cast<std::size_t>(1 + latent.size('c'));
    const std::string tensor = latent.tensor();

    // Outputs of all chosen probes for corrected latents.
    const auto picture = [&](const Numbers& correction) {
        Numbers numbers;
        for (const Probe& probe : chosen) {
            Arrays inputs = probe.inputs;
            for (auto& [name, array] : inputs) {
                if (name == tensor) array = corrected(array, correction);
            }
            for (const Pair& pair : probe.pairs(run(inputs))) {
                const Numbers output = as_doubles(pair.first);
                numbers.insert(numbers.end(), output.begin(), output.end());
            }
        }
        return numbers;
    };
    Numbers golden;
    for (const Probe& probe : chosen) {
        for (const auto& [name, array] : probe.outputs) {
            const Numbers output = as_doubles(array);
            golden.insert(golden.end(), output.begin(), output.end());
        }
    }
    const Numbers as_it_is = picture(Numbers(unknowns, 0.0));
    std::vector<Numbers> slopes;
    bool finite = true;
    for (std::size_t k = 0; k < unknowns; ++k) {
        Numbers step(unknowns, 0.0);
        step[k] = STEP;
        Numbers& slope = slopes.emplace_back(picture(step));
        for (std::size_t i = 0; i < slope.size(); ++i) {
            slope[i] = (slope[i] - as_it_is[i]) / STEP;
            finite = finite && std::isfinite(slope[i]);
        }
    }
    if (!finite) return {std::nan(""), std::nan("")};
    Numbers missing = golden;
    for (std::size_t i = 0; i < missing.size(); ++i) missing[i] -= as_it_is[i];
    const Numbers best = least_squares(std::move(slopes), missing);

    // a half or a quarter of the step may be better: a decoder is not linear
    double least = 0, share = 0;
    for (const double tried : {1.0, 0.5, 0.25}) {
        Numbers part = best;
        for (double& number : part) number *= tried;
        const double error = sum_of_squares(golden, picture(part));
        if (share == 0 || error < least) {
            least = error;
            share = tried;
        }
    }
    const double before = sum_of_squares(golden, as_it_is);
    return {least < before ? decibel(before, least) : 0.0, 1 + share * best[0]};
}

// Gain and factor for an encoder, by least squares: `golden = factor * z + shift`.
Correction writing(std::span<const Pair> pairs) {
    // channel by channel over all pairs, whose sizes may differ; all as one channel if one of them was sampled
    const bool whole = std::ranges::all_of(pairs, [](const Pair& pair) { return pair.second.shape().size() >= 2; });
    const auto channels_of = [&](const Array& array) { return Channels(whole ? array.shape() : Shape(), true); };
    const std::size_t count = channels_of(pairs.front().second).count;
    std::vector<Numbers> written(count), golden(count);
    double before = 0;
    for (const auto& [output, reference] : pairs) {
        const Channels channels = channels_of(reference);
        const Numbers made = as_doubles(output), wanted = as_doubles(reference);
        before += sum_of_squares(made, wanted);
        for (std::size_t i = 0; i < made.size(); ++i) {
            written.at(channels.of(i)).push_back(made[i]);
            golden.at(channels.of(i)).push_back(wanted[i]);
        }
    }
    double product = 0, square = 0;
    for (std::size_t channel = 0; channel < written.size(); ++channel) {
        for (Numbers* all : {&written[channel], &golden[channel]}) {
            *all = centred(std::move(*all), Channels({}, true));
        }
        const Numbers &z = written[channel], &wanted = golden[channel];
        product += std::inner_product(z.begin(), z.end(), wanted.begin(), 0.0);
        square += std::inner_product(z.begin(), z.end(), z.begin(), 0.0);
    }
    const double factor = product / std::max(square, 1e-300);
    double after = 0;
    for (std::size_t channel = 0; channel < written.size(); ++channel) {
        for (double& number : written[channel]) number *= factor;
        after += sum_of_squares(written[channel], golden[channel]);
    }
    return {after < before ? decibel(before, after) : 0.0, factor};
}

std::string fixed(double value) {
    char text[400];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

// The probe with the token ids that the donor's own tokenizer makes of its prompt.
Probe with_own_tokens(Probe probe, const Prompts& prompts, const ComponentEntry& entry) {
    const std::optional<std::vector<std::int32_t>> ids = token_ids(prompts, probe.prompt);
    Array tokens = probe.inputs.begin()->second;
    if (ids) tokens = Array::of<std::int32_t>(*ids, {1, static_cast<std::int64_t>(ids->size())});
    probe.inputs = {{entry.inputs.front().tensor(), tokens}};
    return probe;
}

}  // namespace

std::string CandidateResult::summary() const {
    if (!(snr >= LEAST_SNR)) {
        return "it explains " + fixed(snr) + " dB of the golden output, expected at least " + general(LEAST_SNR) +
               " (PSNR " + fixed(agreement.psnr) + " dB)";
    }
    if (std::isnan(gain)) {
        return "it writes no finite numbers for latents that are shifted by " + general(STEP) + " standard deviations";
    }
    return "it does " + fixed(gain) + " dB better on other latents, " + general(factor, 3) +
           " times as large and shifted, expected at most " + general(MOST_GAIN) + ": its scaling is not this space's";
}

CandidateResult judge(const Probes& probes, const RunEngine& run, std::span<const Port> inputs,
                      std::span<const Port> outputs) {
    std::vector<Pair> pairs;
    for (const Probe& probe : probes.probes) {
        for (Pair& pair : probe.pairs(run(probe.inputs))) pairs.push_back(std::move(pair));
    }
    const bool writes_latent = outputs.front().kind == "latent";
    CandidateResult found = {.agreement = measure_agreement(pairs, "float32"),
                             .snr = signal_to_noise(pairs, writes_latent)};
    if (found.same() || !(found.snr >= LEAST_SNR)) return found;
    const auto latent =
        std::ranges::find_if(inputs, [](const Port& port) { return port.kind == "latent" && port.slot.empty(); });
    if (latent == inputs.end() && !writes_latent) return found;
    const Correction best = latent == inputs.end() ? writing(pairs) : reading(probes.probes, run, *latent);
    found.gain = best.gain;
    found.factor = best.factor;
    return found;
}

CandidateResult check_candidate(const Engine& engine, const Bundle& donor, const Bundle& host,
                                const std::string& host_name, const RunEngine& own) {
    const std::string& component = engine.component;
    if (!host.manifest.probes.contains(component)) {
        throw LinkError(engine.title() + " has the right symbols, but " + host_name + " has no probes of its " +
                            component + " to check it by.",
                        "Export and build it again, or link by the symbols alone: verify=False.");
    }
    const ComponentEntry& entry = donor.manifest.components.at(component);
    const auto hosted = host.manifest.components.find(component);
    Probes probes = load_probes(host, component, hosted == host.manifest.components.end() ? entry : hosted->second);
    if (const std::optional<Prompts> prompts = tokenizer_of(donor, entry)) {
        for (Probe& probe : probes.probes) probe = with_own_tokens(std::move(probe), *prompts, entry);
    } else {
        probes = fit(probes, engine.limits, entry.inputs, own, ADDED_PROBES);
    }
    CandidateResult found;
    try {
        found = judge(probes, runner(engine.session), entry.inputs, entry.outputs);
    } catch (const BundleError& error) {
        throw LinkError(engine.title() + " cannot be run on the probes of " + host_name + "'s " + component + ": " +
                        error.message());
    }
    if (found.accepted()) return found;
    throw LinkError(engine.title() + " has the symbols of " + host_name +
                        ", but does not compute what they say: on the probes of " + host_name + "'s " + component +
                        " " + found.summary() + ".",
                    "Use " + host_name + "'s own " + component + ", or one that was trained for it.");
}

}  // namespace latentlink
