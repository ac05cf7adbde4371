// The commands: each adds its options to the program, and returns what runs once they are parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "command/arguments.h"
#include "command/ending.h"

namespace latentlink {

// A command of the program.
struct Subcommand {
    std::unique_ptr<Command> command;
    std::function<int(Interrupts& interrupts)> run;  // returns the exit status
};

Subcommand add_generate(CLI::App& program);
Subcommand add_inspect(CLI::App& program);
Subcommand add_verify(CLI::App& program);
Subcommand add_transfer(CLI::App& program);
Subcommand add_bench(CLI::App& program);

}  // namespace latentlink
