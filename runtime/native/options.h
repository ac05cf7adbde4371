// The options of a generation, each described once: name, kind, range, default, and a sentence of help: the table of
// latentlink/options.py. The C interface and the command line are made from it.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "vocabulary/json.h"

namespace latentlink {

inline constexpr int MAX_BATCH = 1024;
inline constexpr int MAX_SIDE = 16384;
inline constexpr int MAX_STEPS = 1000;

// One option of a generation.
struct Option {
    // What one value is. Pictures and latents are no JSON: they are given beside the other options, in `Inputs`.
    enum class Kind {
        whole,          // a whole number; that of a seed may have 64 bits
        number,         // a finite number
        text,           // UTF-8, one of `choices` if there are any
        truth,          // true or false
        interval,       // two noise levels [low, high], the high one may be infinite
        named_numbers,  // {name: number or [numbers]}
        picture,
        latents,
    };

    std::string_view name;
    Kind kind;
    std::string_view help;       // one sentence
    std::string_view more = "";  // further sentences for documentation
    double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
    std::string_view expected = "";                                          // the range in words, for messages
    std::variant<std::monostate, bool, int, std::string_view> initial = {};  // the value if none was requested
    std::string_view default_text = "";                                      // the default in words
    std::string_view flag = "";                                              // name on the command line, if it differs
    std::string_view metavar = "";                                           // how the command line shows the value
    std::string_view example = "";                                           // a value as the command line reads it
    std::span<const std::string_view> choices = {};
    bool several = false;  // a list of one value per prompt or picture may be given

    // Its name on the command line: `--guidance-interval`.
    std::string flag_name() const;

    // What it is and its default, in sentences.
    std::string described() const;

    // The same as the command's help has it, which takes one value of each.
    std::string help_text() const;

    // The value if none was requested; null if there is none, or `default_text` describes it.
    Json default_value() const;
};

// All options, in the order of the Python runtime.
std::span<const Option> options();

// One of them. Throws std::invalid_argument: there is none of this name.
const Option& option(std::string_view name);

// The requested options, an object of values by name: those that are not null, in the caller's order.
// Throws UsageError: there is no such option; worded as Python's error for the arguments of `function`.
Json requested(const Json& given, std::string_view function = "generate");

}  // namespace latentlink
