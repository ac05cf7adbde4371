// The text `parameters` that AUTOMATIC1111's web UI writes into pictures, and that galleries read.
//
//     a red circle
//     Negative prompt: blurry
//     Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, Size: 512x512
//
// The prompts stand there as they are. So a prompt with a line that begins with "Negative prompt:" is read back as two,
// here as by every other reader; the JSON beside the text has no such case.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace latentlink {

struct Record;

// The text, taken apart.
struct Parameters {
    std::string prompt;
    std::string negative_prompt;  // empty if there is none
    // By the names that the text gives them, in its order: `Steps`, `CFG scale`, `Size`, ...
    std::vector<std::pair<std::string, std::string>> settings;

    // The value of a setting; null if there is none.
    const std::string* setting(std::string_view name) const;

    std::string to_text() const;

    // The last line of the text.
    std::string settings_line() const;

    bool operator==(const Parameters&) const = default;
};

// The parameters of a record: what the web UI has a name for.
Parameters parameters_of(const Record& record);

// Take the text apart; none if none of its lines has settings. Takes time in proportion to its length.
std::optional<Parameters> read_parameters(std::string_view text);

}  // namespace latentlink
