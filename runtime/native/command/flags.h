// Messages that name an argument of the library name it as an option of the command instead.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace latentlink {

// What the command calls an argument: `--init-image`, and `--no-verify` for a false value of one that has it.
struct Flag {
    std::string on;
    std::string off = {};  // of a flag that can be switched off
    bool takes_value = true;
};

// By name of the argument: `init_image`.
using Flags = std::map<std::string, Flag, std::less<>>;

// Replace the arguments that a message names by the options of a command: `init_image` by `--init-image`. A name of
// several words is replaced wherever it stands, outside of quotes, other names and lists of choices. One of a single
// word is an English word too: it is replaced where the message begins with it, before its value, as `seed=7`, and in
// "Leave seed out".
std::string in_flags(std::string_view message, const Flags& flags);

}  // namespace latentlink
