#include "command/arguments.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "bundle/bundle.h"
#include "command/parsing.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/close_match.h"
#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::string_view STANDARD_OUTPUT = "/dev/stdout";

// `init_image` of `--init-image`.
std::string argument_of(std::string flag) {
    flag.erase(0, flag.find_first_not_of("-!"));
    std::ranges::replace(flag, '-', '_');
    return flag;
}

// Whether a path is what standard output goes to.
bool is_standard_output(const std::filesystem::path& path) {
    struct stat found, output;
    if (::stat(path.c_str(), &found) != 0 || ::fstat(STDOUT_FILENO, &output) != 0) return false;
    return found.st_dev == output.st_dev && found.st_ino == output.st_ino;
}

// Throws UsageError: a new file would lie in a bundle or export, which holds only the files it lists.
void check_outside(const std::filesystem::path& output) {
    std::error_code failed;
    const std::filesystem::path place = std::filesystem::weakly_canonical(output, failed);
    if (failed) return;  // a pipe has no place
    for (auto folder = place.parent_path(); folder.has_relative_path(); folder = folder.parent_path()) {
        if (!std::filesystem::is_regular_file(folder / MANIFEST, failed)) continue;
        const auto text = read_file(folder / MANIFEST, MAX_MANIFEST_BYTES);
        const Json record = text ? Json::parse(*text, nullptr, false) : Json();
        if (!record.is_object() || record.value("format", Json()) != Json("latentlink")) continue;
        throw UsageError(repr(output.string()) + " is inside the " + record.value("kind", std::string("bundle")) + " " +
                             repr(folder.string()) + ", which holds only its own files.",
                         "Write it to another folder.");
    }
}

}  // namespace

Command::Command(CLI::App& app, std::string examples) : app_(app) {
    app_.footer("Examples:\n" + examples);
    app_.allow_extras();  // told in our own words
    app_.set_help_flag("-h,--help", "Show this message and exit.");
}

std::optional<std::string>& Command::text(const std::string& names, const std::string& help,
                                          const std::string& metavar) {
    name(names, true);
    auto& value = texts_.emplace_back();
    app_.add_option(names, value, help)
        ->type_name(metavar)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->allow_extra_args(false);
    return value;
}

std::vector<std::string>& Command::texts(const std::string& option, const std::string& help, const std::string& metavar,
                                         const std::string& argument) {
    name(option, true, argument);
    auto& values = lists_.emplace_back();
    app_.add_option(option, values, help)->type_name(metavar)->allow_extra_args(false);
    return values;
}

std::optional<bool>& Command::flag(const std::string& names, const std::string& help) {
    name(names, false);
    auto& value = truths_.emplace_back();
    app_.add_flag_function(
            names, [&value](std::int64_t count) { value = count > 0; }, help)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return value;
}

std::string& Command::argument(const std::string& argument, const std::string& help) {
    auto& value = arguments_.emplace_back();
    app_.add_option(argument, value, help)->required()->type_name("");
    return value;
}

std::vector<std::string>& Command::arguments(const std::string& argument, const std::string& help) {
    rest_ = &lists_.emplace_back();
    // For --help alone: CLI11 would take "[a, b]" for a list, so what it leaves over is taken by `take_rest`.
    app_.add_option(argument, *rest_, help)->type_name("")->expected(0, 1)->allow_extra_args(false);
    return *rest_;
}

void Command::name(const std::string& names, bool takes_value, const std::string& argument) {
    const auto comma = names.rfind(',');
    std::string last = names.substr(comma == std::string::npos ? 0 : comma + 1);
    Flag flag{.on = last, .takes_value = takes_value};
    if (last.starts_with('!')) {
        flag.off = last.substr(1);
        last = names.substr(0, comma);
        flag.on = last;
    }
    flags_.emplace(argument.empty() ? argument_of(last) : argument, flag);
}

void Command::take_rest(const std::vector<std::string>& behind) {
    const auto take = [&](const std::string& word) {
        if (rest_ == nullptr) {
            throw UsageError("Received the argument " + repr(word) + ", which this command does not take.",
                             "See latentlink-native " + app_.get_name() + " --help.");
        }
        rest_->push_back(word);
    };
    for (const std::string& extra : app_.remaining()) {
        const std::string option = extra.substr(0, extra.find('='));
        if (!extra.starts_with('-') || extra == "-") {
            take(extra);
            continue;
        }
        std::vector<std::string> names;
        for (const CLI::Option* one : app_.get_options()) {
            for (const std::string& known : one->get_lnames()) names.push_back("--" + known);
        }
        const std::vector<std::string_view> views(names.begin(), names.end());
        const auto near = close_match(option, views);
        throw UsageError(
            "There is no option " + option + "." + (near ? " Did you mean " + std::string(*near) + "?" : ""),
            "See latentlink-native " + app_.get_name() + " --help.");
    }
    for (const std::string& word : behind) take(word);
}

GenerationOptions::GenerationOptions(Command& command) {
    for (const Option& one : options()) {
        if (one.name == "decode") continue;  // said by -o
        const std::string flag = one.flag_name(), help = one.help_text(), key(one.name);
        if (one.kind == Option::Kind::truth) {
            truths_[key] = &command.flag(flag, help);
        } else if (one.kind == Option::Kind::named_numbers) {
            conditions_ = &command.texts(flag, help, std::string(one.metavar), key);
        } else {
            const bool file = one.kind == Option::Kind::picture || one.kind == Option::Kind::latents;
            const std::string plain = file ? "PATH" : one.kind == Option::Kind::whole ? "INTEGER" : "TEXT";
            const std::string metavar(one.metavar);
            texts_[key] = &command.text(flag, help, !metavar.empty() ? metavar : plain);
        }
    }
}

Json GenerationOptions::values() const {
    Json values = Json::object();
    for (const Option& one : options()) {
        const std::string name(one.name);
        if (const auto text = texts_.find(name); text != texts_.end() && *text->second) {
            values[name] = parse_option(one, **text->second);
        } else if (const auto truth = truths_.find(name); truth != truths_.end() && *truth->second) {
            values[name] = **truth->second;
        } else if (one.kind == Option::Kind::named_numbers && !conditions_->empty()) {
            values[name] = parse_conditions(*conditions_);
        }
    }
    return values;
}

OpeningOptions::OpeningOptions(Command& command, OpeningChoice has) {
    if (has.replace) {
        replace_ = &command.texts("--replace", "Use a component of another bundle, if it fits. May be repeated.",
                                  "COMPONENT=BUNDLE");
    }
    target_ = &command.text("--target",
                            "Target to run on, such as ort-cpu; auto uses the first engine of each component that is "
                            "valid here. [default: auto]",
                            "TEXT");
    verify_ = &command.flag("--verify,!--no-verify",
                            "Run every engine on its golden inputs now, or on none and link by symbols alone. "
                            "[default: once for each bundle on this machine]");
    if (has.threads) {
        threads_ = &command.text("--threads", "Threads for one run. [default: all processors]", "INTEGER");
    }
    vae_memory_ = &command.text("--vae-memory",
                                "Maximum memory of the VAE for one picture, such as 500MB or 2GiB; a larger picture is "
                                "processed in several passes and blended. [default: no limit]",
                                "SIZE");
    if (has.engine_memory) {
        engine_memory_ = &command.text("--engine-memory",
                                       "Maximum total size of the open engines, such as 2GB; the least recently used "
                                       "closes first. [default: no limit]",
                                       "SIZE");
    }
}

LoadOptions OpeningOptions::values() const {
    LoadOptions options;
    if (replace_ != nullptr) {
        for (const std::string& pair : *replace_) options.replace.push_back(parse_replacement(pair));
    }
    if (*target_) options.target = **target_;
    options.verify = *verify_;
    if (threads_ != nullptr && *threads_) {
        options.threads = static_cast<int>(parse_whole("--threads", **threads_, 1, MAX_THREADS));
    }
    if (*vae_memory_) options.vae_memory = parse_size(**vae_memory_);
    if (engine_memory_ != nullptr && *engine_memory_) options.engine_memory = parse_size(**engine_memory_);
    return options;
}

std::optional<LatentSpace> named_space(const std::optional<std::string>& name, std::span<const std::string> bundles) {
    if (!name) return std::nullopt;
    std::vector<std::string> names;
    for (const LatentSpace& space : known_spaces()) names.push_back(space.name);
    std::optional<LatentSpace> found;
    if (const LatentSpace* known = known_space(*name)) found = *known;
    for (const std::string& bundle : bundles) {  // their files are checked where they are loaded
        for (const LatentSpace& space : Bundle::open(bundle_path(bundle), false).manifest.spaces) {
            if (space.name == *name) found = space;
            if (std::ranges::find(names, space.name) == names.end()) names.push_back(space.name);
        }
    }
    if (found) return found;
    const std::vector<std::string_view> views(names.begin(), names.end());
    throw UsageError("Unknown latent space " + repr(*name) + "; expected one of: " + joined(views) + ".");
}

std::filesystem::path writable(const std::string& option, const std::string& text, Printer& printer) {
    const std::filesystem::path output(text == "-" ? STANDARD_OUTPUT : std::string_view(text));
    const std::filesystem::path folder = output.has_parent_path() ? output.parent_path() : ".";
    std::error_code failed;
    if (!std::filesystem::is_directory(folder, failed)) {
        throw UsageError("There is no directory " + repr(folder.string()) + " to write " + output.filename().string() +
                         " to.");
    }
    if (std::filesystem::is_directory(output, failed)) {
        throw UsageError(repr(output.string()) + " is a folder; expected the name of a file to write.");
    }
    check_outside(output);
    if (is_standard_output(output)) {
        const std::string other = printer.give_up_standard_output(option);
        if (other != option) {
            throw UsageError(other + " and " + option + " are both standard output; expected a file for one of them.");
        }
    }
    return output;
}

std::filesystem::path writable_latents(const std::string& option, const std::string& text, Printer& printer) {
    const std::filesystem::path output = writable(option, text, printer);
    if (output.extension() != ".safetensors" && !is_stream(output)) {
        throw UsageError(repr(output.string()) +
                         " is no name of a latents file; expected one that ends in .safetensors.");
    }
    return output;
}

void check_several(const std::filesystem::path& output, const std::string& why) {
    if (!is_stream(output)) return;
    throw UsageError(why + " writes several files, but " + repr(output.string()) +
                     " takes one; expected the name of a file.");
}

}  // namespace latentlink
