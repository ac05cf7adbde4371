#include "probing/fitting.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

namespace latentlink {

namespace {

using Sizes = std::map<std::string, std::int64_t, std::less<>>;  // by free dimension

Sizes sizes_of(const Probe& probe, std::span<const Port> ports) {
    Sizes sizes;
    for (const Port& port : ports) {
        const Array& array = probe.inputs.at(port.tensor());
        for (std::size_t axis = 0; axis < port.shape.size(); ++axis) {
            if (const auto* dim = std::get_if<std::string>(&port.shape[axis])) sizes[*dim] = array.size(axis);
        }
    }
    return sizes;
}

// The nearest sizes within the limits, in the smallest batch; the rows of text follow the batch.
Sizes nearest(const Sizes& sizes, const SizeLimits& limits) {
    Sizes found = sizes;
    for (auto& [dim, size] : found) {
        const auto limit = limits.find(dim);
        if (limit != limits.end()) size = std::clamp(size, limit->second[0], limit->second[2]);
    }
    if (!found.contains("B")) return found;
    found["B"] = limits.contains("B") ? limits.at("B")[0] : 1;
    if (found.contains("N")) found["N"] = sizes.at("N") * found["B"] / sizes.at("B");
    return found;
}

// The first `size` rows of an axis, from the beginning again after its end.
Array repeated(const Array& array, std::size_t axis, std::int64_t size) {
    const Shape& from = array.shape();
    Shape shape = from;
    shape[axis] = size;
    Array made(array.dtype(), shape);
    const auto product = [&](std::size_t first, std::size_t last) {
        return count_of(std::span(from).subspan(first, last - first));
    };
    const std::size_t outer = product(0, axis), rows = static_cast<std::size_t>(from[axis]);
    const std::size_t row = product(axis + 1, from.size()) * size_of(array.dtype());
    const std::byte* source = array.bytes().data();
    std::byte* target = made.bytes().data();
    for (std::size_t block = 0; block < outer; ++block) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i, target += row) {
            std::memcpy(target, source + (block * rows + i % rows) * row, row);
        }
    }
    return made;
}

Array tile(Array array, const Port& port, const Sizes& sizes) {
    for (std::size_t axis = 0; axis < port.shape.size(); ++axis) {
        if (const auto* dim = std::get_if<std::string>(&port.shape[axis])) {
            array = repeated(array, axis, sizes.at(*dim));
        }
    }
    return array;
}

// The smallest sufficient stride that is coprime to every side: else some channels would never be sampled.
std::int64_t stride_of(const Array& array) {
    auto stride = static_cast<std::int64_t>((array.count() + SAMPLE - 1) / SAMPLE);
    const auto shares = [&](std::int64_t side) { return std::gcd(stride, side) > 1; };
    while (std::ranges::any_of(array.shape(), shares)) ++stride;
    return stride;
}

Array every(const Array& array, std::int64_t stride) {
    const std::size_t step = static_cast<std::size_t>(stride), width = size_of(array.dtype());
    const std::size_t count = (array.count() + step - 1) / step;
    Array made(array.dtype(), {static_cast<std::int64_t>(count)});
    for (std::size_t i = 0; i < count; ++i) {
        std::memcpy(made.bytes().data() + i * width, array.bytes().data() + i * step * width, width);
    }
    return made;
}

// A probe from whole outputs, of which at most SAMPLE elements each are kept.
Probe from_outputs(std::string name, Arrays inputs, const Arrays& outputs) {
    Probe probe = {.name = std::move(name), .inputs = std::move(inputs), .outputs = {}};
    for (const auto& [tensor, array] : outputs) {
        const bool whole = array.count() <= SAMPLE;
        if (!whole) probe.strides[tensor] = stride_of(array);
        probe.outputs.emplace(tensor, whole ? array : every(array, probe.strides[tensor]));
    }
    return probe;
}

}  // namespace

Probes fit(const Probes& probes, const SizeLimits& limits, std::span<const Port> ports, const RunEngine& run,
           std::size_t count) {
    if (std::optional<Probes> fitting = probes.within(limits, ports)) return *std::move(fitting);
    Probes made = {.reference = std::string(FITTED_REFERENCE), .probes = {}, .training = probes.training};
    for (const Probe& probe : std::span(probes.probes).first(std::min(count, probes.probes.size()))) {
        const Sizes sizes = nearest(sizes_of(probe, ports), limits);
        Arrays inputs;
        for (const Port& port : ports) {
            inputs.emplace(port.tensor(), tile(probe.inputs.at(port.tensor()), port, sizes));
        }
        const Arrays outputs = run(inputs);
        made.probes.push_back(from_outputs(probe.name + std::string(FITTED_SUFFIX), std::move(inputs), outputs));
    }
    return made;
}

}  // namespace latentlink
