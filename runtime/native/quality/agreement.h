// Agreement of an engine's outputs with a reference, and the threshold of each precision.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quality/shortfall.h"
#include "vocabulary/array.h"
#include "vocabulary/json.h"

namespace latentlink {

// What an engine's outputs have to reach.
struct Threshold {
    double worst = 0;         // largest accepted difference, as a share of the reference's largest value
    double psnr = 0;          // least accepted PSNR in dB; the peak is the reference's largest value
    double picture_psnr = 0;  // the same for 8-bit pictures, where rounding turns any difference into whole levels
};

// By the precision of the engine; one that is not in the table has that of bfloat16, the loosest of what is not judged
// by its pictures. `onnx` is whether ONNX Runtime computed the references, which matters to float32.
const Threshold& threshold_of(std::string_view precision, bool onnx = false);

// How close outputs are to their reference: the worst value of each measure over all outputs.
struct Agreement {
    double cosine = 1;   // cosine similarity of output and reference as vectors
    double psnr = 0;     // dB; the peak is the reference's largest value (255 for pictures); infinite where equal
    double worst = 0;    // largest difference, as a share of the largest absolute value of the same output
    double max_abs = 0;  // largest difference, in the output's units
    double needed_psnr = 0;
    double needed_worst = 0;

    // Whether both thresholds are reached. NaN reaches none.
    bool sufficient() const { return shortfalls().empty(); }

    // The measures that miss their threshold.
    std::vector<Shortfall> shortfalls() const;

    // The same in one line: `PSNR 12.0 dB, expected at least 55`.
    std::string summary() const;

    // The `parity` record of an engine. JSON has no infinity: an infinite PSNR is left out.
    Json to_json(std::string_view reference) const;
};

// Compare at least one `(output, reference)`, of equal shape; uint8 references are pictures. `threshold` is what the
// outputs have to reach, where more is known than their precision.
Agreement measure_agreement(std::span<const std::pair<Array, Array>> pairs, std::string_view precision,
                            bool onnx = false, const std::optional<Threshold>& threshold = {});

// `10 log10(power / error)`; infinite without an error, NaN if the error is NaN.
double decibel(double power, double error);

// Peak signal-to-noise ratio in dB of 8-bit pictures of one size; infinite if they are equal.
double psnr(const Array& reference, const Array& other);

}  // namespace latentlink
