#include "bundle/probes.h"

#include <algorithm>
#include <cstring>

#include "bundle/record_checks.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Every `stride`-th element, flattened; the whole array for a stride of 1.
Array every(const Array& array, std::int64_t stride) {
    if (stride == 1) return array;
    const std::size_t step = static_cast<std::size_t>(stride), width = size_of(array.dtype());
    const std::size_t count = (array.count() + step - 1) / step;
    Array sample(array.dtype(), {static_cast<std::int64_t>(count)});
    for (std::size_t number = 0; number < count; ++number) {
        std::memcpy(sample.bytes().data() + number * width, array.bytes().data() + number * step * width, width);
    }
    return sample;
}

std::int64_t stride_of(const Probe& probe, std::string_view tensor) {
    const auto found = probe.strides.find(tensor);
    return found == probe.strides.end() ? 1 : found->second;
}

using FreeSizes = std::map<std::string, std::int64_t, std::less<>>;

// Sizes of the free dimensions in a probe's inputs.
FreeSizes sizes_of(const Probe& probe, std::span<const Port> ports) {
    FreeSizes sizes;
    for (const Port& port : ports) {
        const Array& array = probe.inputs.at(port.tensor());
        for (std::size_t axis = 0; axis < port.shape.size(); ++axis) {
            if (const auto* dim = std::get_if<std::string>(&port.shape[axis])) sizes[*dim] = array.size(axis);
        }
    }
    return sizes;
}

// The nearest sizes within the limits; the rows of text follow the batch.
FreeSizes nearest(const FreeSizes& sizes, const SizeLimits& limits) {
    FreeSizes within = sizes;
    for (auto& [dim, size] : within) {
        const auto limit = limits.find(dim);
        if (limit != limits.end()) size = std::min(std::max(size, limit->second.front()), limit->second.back());
    }
    if (within.contains("N") && within.contains("B")) {
        within["N"] = sizes.at("N") * within.at("B") / sizes.at("B");
    }
    return within;
}

}  // namespace

std::vector<std::pair<Array, Array>> Probe::pairs(const Arrays& computed) const {
    std::vector<std::pair<Array, Array>> pairs;
    for (const auto& [tensor, reference] : outputs) {
        const Array output = every(computed.at(tensor), stride_of(*this, tensor));
        if (output.shape() != reference.shape()) {
            throw BundleError("The probe " + name + " has " + repr(Json(reference.shape())) + " for " + tensor +
                                  ", but the engine made " + repr(Json(output.shape())) + ".",
                              DAMAGED_REMEDY);
        }
        pairs.emplace_back(output, reference);
    }
    return pairs;
}

Agreement Probes::check(const RunEngine& run, std::string_view precision, bool quick) const {
    const auto chosen = std::span(probes).first(quick ? 1 : probes.size());
    const bool fitted = std::ranges::all_of(chosen, &Probe::fitted);
    std::vector<std::pair<Array, Array>> pairs;
    for (const Probe& probe : chosen) {
        for (auto& pair : probe.pairs(run(probe.inputs))) pairs.push_back(std::move(pair));
    }
    return measure_agreement(pairs, precision, fitted);
}

std::optional<Probes> Probes::within(const SizeLimits& limits, std::span<const Port> ports) const {
    std::vector<Probe> fitting, original;
    for (const Probe& probe : probes) {
        const FreeSizes sizes = sizes_of(probe, ports);
        if (sizes != nearest(sizes, limits)) continue;
        fitting.push_back(probe);
        if (!probe.fitted()) original.push_back(probe);
    }
    if (!original.empty()) return Probes{reference, std::move(original), training};
    if (fitting.empty()) return std::nullopt;
    return Probes{std::string(FITTED_REFERENCE), std::move(fitting), training};
}

}  // namespace latentlink
