// Printing: results on standard output, messages on standard error.
//
// Text is printed as it is: nothing in it is markup, and no line is wrapped. Characters that would move the cursor or
// change the reading order are written as escapes such as `\x1b`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vocabulary/json.h"

namespace latentlink {

// The exit status if nobody reads what is printed, as of programs that SIGPIPE ends.
inline constexpr int CLOSED_PIPE = 141;

// Nobody reads what is printed: the command ends with CLOSED_PIPE.
struct NobodyReads {};

// Where results go: standard output, or standard error where a file of the command is standard output.
class Printer {
  public:
    // Standard output is the file of an option. Returns the first option that said so.
    const std::string& give_up_standard_output(const std::string& option) {
        descriptor_ = 2;
        if (taken_by_.empty()) taken_by_ = option;
        return taken_by_;
    }

    // Print one line.
    void say(std::string_view text) const;

    // Print rows below their heads, in columns that are as wide as they need to be.
    void table(const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& rows,
               bool right = false) const;

    // Print JSON, indented by two; numbers that are not finite are null.
    void json(const Json& value) const;

  private:
    int descriptor_ = 1;
    std::string taken_by_;
};

// Print one line on standard error.
void complain(std::string_view text);

// A text on one line, in which every character that a terminal would not show is written as an escape.
std::string printable(std::string_view text);

// The text of JSON as `Printer::json` prints it.
std::string json_text(const Json& value);

}  // namespace latentlink
