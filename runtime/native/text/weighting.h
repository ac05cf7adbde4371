// Weights in prompts: `a (red:1.3) circle` reads "a ", "red" and " circle", the middle one with weight 1.3.
//
// The rules are those of AUTOMATIC1111's web UI (`parse_prompt_attention`) and ComfyUI: weights within weights
// multiply, and parentheses without a number weight by 1.1, so that `((red:1.2))` has weight 1.32. Two exceptions leave
// a prompt without weights and backslashes as diffusers reads it. Parentheses are text if the outermost pair around
// them contains no weight. And a weight is a number with a decimal point, or exactly 0, 1 or 2, so that `(16:9)` and
// `(at 10:30)` stay what they are.
//
// A parenthesis without a partner is text, and so are square brackets and all other syntax of the web UI.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace latentlink {

inline constexpr double MAX_WEIGHT = 10;
inline constexpr double PLAIN_WEIGHT = 1.1;  // of parentheses without a number

// A part of a prompt, without the parentheses and backslashes that had a meaning.
struct WeightedPart {
    std::string text;
    double weight = 1;

    bool operator==(const WeightedPart&) const = default;
};

// The parts of a prompt; a prompt without weights is one part of weight 1. `prompt` is UTF-8.
// Throws UsageError: a weight, or the product of weights, is above MAX_WEIGHT.
std::vector<WeightedPart> weighted_parts(std::string_view prompt);

}  // namespace latentlink
