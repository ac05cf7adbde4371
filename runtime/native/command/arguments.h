// Options that several commands share, and how they are added to a command.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command/flags.h"
#include "command/printing.h"
#include "loading.h"
#include "options.h"
#include "vocabulary/checks.h"
#include "vocabulary/spaces.h"

namespace latentlink {

// A command that was parsed: what it is called with, and how messages name its options. Its options read the values
// into texts; what they mean is parsed afterwards, in the words of the library.
class Command {
  public:
    Command(CLI::App& app, std::string examples);
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

    const Flags& flags() const { return flags_; }
    CLI::App& app() { return app_; }

    // Add an option with one value, of which the last counts; its text, none if it is not given.
    std::optional<std::string>& text(const std::string& names, const std::string& help, const std::string& metavar);

    // Add an option that may be repeated. `argument` is what messages call it, if that is not its name.
    std::vector<std::string>& texts(const std::string& name, const std::string& help, const std::string& metavar,
                                    const std::string& argument = {});

    // Add a flag. `on,!off` has two names, of which the second one is false.
    std::optional<bool>& flag(const std::string& names, const std::string& help);

    // Add an argument.
    std::string& argument(const std::string& name, const std::string& help);
    std::vector<std::string>& arguments(const std::string& name, const std::string& help);

    // Take the words that are none of its options as `arguments`, and those that stood behind `--`.
    // Throws UsageError: an option is none of this command's, or it has no such arguments.
    void take_rest(const std::vector<std::string>& behind);

  private:
    std::vector<std::string>* rest_ = nullptr;  // of `arguments`

    void name(const std::string& names, bool takes_value, const std::string& argument = {});

    CLI::App& app_;
    Flags flags_;
    // Addresses of what CLI11 writes to do not change.
    std::list<std::optional<std::string>> texts_;
    std::list<std::vector<std::string>> lists_;
    std::list<std::optional<bool>> truths_;
    std::list<std::string> arguments_;
};

// The options of a generation, from the table.
class GenerationOptions {
  public:
    explicit GenerationOptions(Command& command);

    // The values that were given, by name, as `requested` takes them; pictures and latents as paths.
    // Throws UsageError: a text is no value of its option.
    Json values() const;

  private:
    std::map<std::string, std::optional<std::string>*, std::less<>> texts_;
    std::map<std::string, std::optional<bool>*, std::less<>> truths_;
    std::vector<std::string>* conditions_ = nullptr;
};

// Which of the options of `load` a command has.
struct OpeningChoice {
    bool replace = true, threads = true, engine_memory = true;
};

// The options of `load`.
class OpeningOptions {
  public:
    explicit OpeningOptions(Command& command, OpeningChoice has = {});

    // Throws UsageError: a text is no value of its option.
    LoadOptions values() const;

  private:
    std::vector<std::string>* replace_ = nullptr;
    std::optional<std::string>*target_, *vae_memory_, *threads_ = nullptr, *engine_memory_ = nullptr;
    std::optional<bool>* verify_;
};

// The space that `--space` names: a known one, or one of the bundles, which take precedence; none if no name was given.
// Throws UsageError: no space has this name.
std::optional<LatentSpace> named_space(const std::optional<std::string>& name, std::span<const std::string> bundles);

// The file that an option names, to write: `-` is standard output, and the command's own lines go to standard error
// then. Throws UsageError: its folder is missing, it is a folder itself or lies in a bundle, or another option's file
// is standard output.
std::filesystem::path writable(const std::string& option, const std::string& text, Printer& printer);

// The same for a latents file. Throws UsageError: it does not end in .safetensors.
std::filesystem::path writable_latents(const std::string& option, const std::string& text, Printer& printer);

// Throws UsageError: several files cannot be written beside an output. `why` begins the sentence.
void check_several(const std::filesystem::path& output, const std::string& why);

}  // namespace latentlink
