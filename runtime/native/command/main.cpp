// The command latentlink-native.
#include <algorithm>
#include <sstream>

#include "command/commands.h"
#include "command/printing.h"
#include "picture_files/record.h"
#include "sessions/backends.h"
#include "vocabulary/close_match.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::string_view ABOUT =
    "Run bundles of latent-diffusion models, whose engines only link if their latent spaces are the same.\n\n"
    "latentlink-native generate demo \"a red circle on a blue background\" -o out.png\n\n"
    "Exit status: 0 done, 1 failure of the machine (disk full, out of memory), 2 wrong usage, 3 link refused, 4 bundle "
    "damaged, 5 engine not valid on this machine, 6 output failed a guard, 130 interrupted.";

std::string version() {
    std::string text = "latentlink-native, version " + std::string(VERSION);
    for (const Backend& backend : backends()) {
        text += "\n" + std::string(backend.name) + ": ";
        text += backend.open == nullptr ? "not built in" : joined(backend.targets);
    }
    return text;
}

// The name of a command that is none. Throws UsageError.
void check_command(const std::vector<std::string>& words, const CLI::App& program) {
    if (words.empty() || words.front().starts_with('-')) return;
    std::vector<std::string> names;
    for (const CLI::App* one : program.get_subcommands([](const CLI::App*) { return true; })) {
        if (one->get_name() == words.front()) return;
        names.push_back(one->get_name());
    }
    const std::vector<std::string_view> views(names.begin(), names.end());
    const auto near = close_match(words.front(), views);
    throw UsageError("There is no command " + repr(words.front()) + "." +
                     (near ? " Did you mean " + repr(*near) + "?"
                           : " Expected one of: " + joined(views) + "; all others are those of latentlink."));
}

// Make `--option=` two words, the second one empty: CLI11 takes it for an option whose value is the next word.
std::vector<std::string> with_empty_values(const std::vector<std::string>& words, const CLI::App& program) {
    const auto commands =
        program.get_subcommands([&](const CLI::App* one) { return one->get_name() == words.front(); });
    std::vector<std::string> made;
    for (const std::string& word : words) {
        made.push_back(word);
        if (!word.starts_with("--") || word.find('=') != word.size() - 1 || commands.empty()) continue;
        const std::string name = word.substr(0, word.size() - 1);
        const CLI::Option* option = commands.front()->get_option_no_throw(name);
        if (option == nullptr || option->get_items_expected_min() == 0) continue;  // a flag
        made.back() = name;
        made.emplace_back();
    }
    return made;
}

int run(int count, char** words) {
    Interrupts interrupts;
    CLI::App program{std::string(ABOUT), "latentlink-native"};
    program.set_help_flag("-h,--help", "Show this message and exit.");
    program.set_version_flag("--version", version());
    program.require_subcommand(1);
    std::vector<Subcommand> commands;
    for (const auto add : {add_generate, add_inspect, add_verify, add_transfer, add_bench}) {
        commands.push_back(add(program));
    }
    // What stands behind `--` is no option. CLI11 does not pass it on to a command, so it gets what cannot be one.
    std::vector<std::string> given(words + 1, words + count), behind;
    if (const auto mark = std::ranges::find(given, "--"); mark != given.end()) {
        behind.assign(mark + 1, given.end());
        given.erase(mark, given.end());
        if (std::ranges::none_of(behind, [](const std::string& one) { return one.starts_with('-'); })) {
            given.insert(given.end(), behind.begin(), behind.end());
            behind.clear();
        }
    }
    const Subcommand* chosen = nullptr;
    Flags flags;
    return ended(interrupts, flags, [&] {
        try {
            check_command(given, program);
            if (!given.empty()) given = with_empty_values(given, program);
            program.parse(std::vector<std::string>(given.rbegin(), given.rend()));  // it takes the first from the end
        } catch (const CLI::Success& asked) {
            std::stringstream said;
            const int status = program.exit(asked, said, said);
            for (std::string line; std::getline(said, line);) Printer().say(line);
            return status;
        } catch (const CLI::ParseError& error) {
            const auto parsed = program.get_subcommands();
            const std::string about = parsed.empty() ? "" : " " + parsed.front()->get_name();
            throw UsageError(std::string(error.what()) + ".", "See latentlink-native" + about + " --help.");
        }
        for (const Subcommand& one : commands) {
            if (one.command->app().parsed()) chosen = &one;
        }
        flags = chosen->command->flags();
        chosen->command->take_rest(behind);
        return chosen->run(interrupts);
    });
}

}  // namespace
}  // namespace latentlink

int main(int count, char** words) { return latentlink::run(count, words); }
