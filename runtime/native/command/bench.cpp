// latentlink-native bench
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "command/commands.h"
#include "command/parsing.h"
#include "command/progress.h"
#include "command/words.h"
#include "picture_files/record.h"
#include "sessions/backends.h"
#include "sessions/clock.h"
#include "targets/machine.h"
#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/processors.h"

extern char** environ;

namespace latentlink {
namespace {

constexpr std::string_view EXAMPLES = R"(
  latentlink-native bench demo
  latentlink-native bench bundle --target ort-cpu --engine-memory 2GB
  latentlink-native bench bundle --steps 4 --repeats 3 --json bench.json

The figures are the median, least and most of --repeats runs. Runs are without guards, as bundles with random weights
are measured too. To compare with other programs: latentlink bench --against.)";

constexpr std::array<std::string_view, 5> STAGES = {"text_encoder", "denoiser", "denoiser_engine", "vae_decoder",
                                                    "total"};
constexpr std::array<std::string_view, 14> SETTINGS = {"negative_prompt", "steps",   "guidance", "guidance_interval",
                                                       "step_cache",      "sampler", "spacing",  "sigmas",
                                                       "shift",           "eta",     "width",    "height",
                                                       "conditions",      "noise"};

struct Words {
    std::string& bundle;
    std::optional<std::string>&prompt, &repeats, &json_file;
    GenerationOptions options;
    OpeningOptions opening;
};

// Figures of several runs.
struct Spread {
    double median, low, high;

    static Spread of(std::vector<double> values) {
        std::ranges::sort(values);
        const std::size_t middle = values.size() / 2;
        const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
        return {median, values.front(), values.back()};
    }

    Json to_json() const { return {{"median", median}, {"low", low}, {"high", high}}; }

    std::vector<std::string> cells(const std::string& name, int digits, const std::string& unit) const {
        return {name, fixed(median, digits) + unit, fixed(low, digits) + unit, fixed(high, digits) + unit};
    }
};

// Seconds and peak resident memory, in 10^6 bytes, of a process of this program.
std::pair<double, double> cold_run(const std::vector<std::string>& words) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t process = 0;
    const double began = perf_counter();
    const int failed = posix_spawn(&process, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw system_error(failed);
    int status = 0;
    struct rusage used = {};
    while (wait4(process, &status, 0, &used) < 0 && errno == EINTR) {
    }
    const double seconds = perf_counter() - began;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw MachineError("A process that drew for the benchmark failed; expected a picture.",
                           "Draw it by itself: latentlink-native generate.");
    }
    return {seconds, static_cast<double>(used.ru_maxrss) * 1024 / 1e6};
}

// The words of `generate` that stand for settings.
std::vector<std::string> words_of(const Json& settings) {
    std::vector<std::string> words;
    for (const auto& [name, value] : settings.items()) {
        const std::string flag = option(name).flag_name();
        if (value.is_object()) {
            for (const auto& [key, numbers] : value.items()) {
                std::string listed;
                for (const Json& number : numbers) listed += (listed.empty() ? "" : ",") + number.dump();
                words.push_back(flag + "=" + key + "=" + listed);
            }
        } else if (value.is_array()) {
            words.push_back(flag + "=" + value[0].dump() + "," +
                            (value[1].is_number_float() && value[1].get<double>() > 1e300 ? "inf" : value[1].dump()));
        } else {
            words.push_back(flag + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
        }
    }
    return words;
}

// A file in a folder for temporary files, removed with the object.
class Scratch {
  public:
    explicit Scratch(std::string_view name) {
        std::string pattern = (std::filesystem::temp_directory_path() / "latentlink-bench-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) throw system_error(errno, pattern);
        folder_ = pattern;
        path_ = folder_ / name;
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path folder_, path_;
};

Json provenance() {
    const Machine machine = this_machine(library_versions());
    Json made = {{"latentlink", VERSION},
                 {"processor", machine.processor},
                 {"processors", processors()},
                 {"system", machine.os},
                 {"architecture", machine.architecture}};
    for (const auto& [name, version] : machine.versions) made[name] = version;
    return made;
}

int bench(const Words& words, Interrupts& interrupts) {
    Printer printer;
    std::optional<std::filesystem::path> json_file;
    if (words.json_file) json_file = writable("--json", *words.json_file, printer);
    const auto repeats = static_cast<std::uint64_t>(parse_whole("--repeats", words.repeats.value_or("5"), 1, 1000));
    const std::string prompt = words.prompt.value_or("a red circle on a blue background");
    const Json settings = words.options.values();
    for (const auto& [name, value] : settings.items()) {
        if (std::ranges::find(SETTINGS, name) != SETTINGS.end()) continue;
        throw UsageError("A benchmark draws from noise, with seeds of its own; it has no " + option(name).flag_name() +
                         ".");
    }
    LoadOptions opening = words.opening.values();
    decide(words.bundle, opening.target);  // refuses before any process is started
    ProgressBar bar("measuring");
    std::uint64_t done = 0;
    const std::uint64_t count = 2 * repeats + 1;
    const auto report = [&](const std::string& what) {
        interrupts.check();
        bar.update(what, done++, count);
    };

    const Scratch picture("cold.png");
    std::vector<std::string> command = {
        "latentlink-native",          "generate", words.bundle,           prompt, "--seed=0", "--guard=off",
        "--target=" + opening.target, "-o",       picture.path().string()};
    if (opening.engine_memory) command.push_back("--engine-memory=" + std::to_string(*opening.engine_memory));
    if (opening.threads) command.push_back("--threads=" + std::to_string(*opening.threads));
    std::ranges::copy(words_of(settings), std::back_inserter(command));
    std::vector<double> colds, peaks;
    for (std::uint64_t number = 0; number < repeats; ++number) {
        report("cold start");
        const auto [seconds, megabytes] = cold_run(command);
        colds.push_back(seconds);
        peaks.push_back(megabytes);
    }

    const double began = perf_counter();
    Pipeline pipe(load(words.bundle, opening));
    const double opened = perf_counter() - began;
    const Interrupts::Watching watching(interrupts, pipe);
    std::map<std::string_view, std::vector<double>> stages;
    std::vector<double> rows, shares;
    for (std::uint64_t number = 0; number <= repeats; ++number) {
        report("warm");
        Given given{.prompt = prompt, .options = settings};
        given.options["seed"] = number;
        given.options["guard"] = "off";
        std::size_t total = 1;
        const Result result = pipe.generate(given, [&](const Progress& at) {
            total = at.rows;
            return Answer{};
        });
        if (number == 0) continue;  // it takes memory and is not counted
        for (const std::string_view stage : STAGES) stages[stage].push_back(result.seconds(stage));
        rows.push_back(result.seconds("denoiser") / static_cast<double>(total));
        shares.push_back(1 - result.seconds("denoiser_engine") / result.seconds("denoiser"));
    }
    bar.clear();

    const Spread cold = Spread::of(colds), peak = Spread::of(peaks), row = Spread::of(rows), share = Spread::of(shares);
    std::vector<std::vector<std::string>> cells = {cold.cells("cold, all in", 4, " s")};
    Json by_stage = Json::object();
    for (const std::string_view stage : STAGES) {
        const Spread spread = Spread::of(stages[stage]);
        cells.push_back(spread.cells("warm, " + std::string(stage), 4, " s"));
        by_stage[std::string(stage)] = spread.to_json();
    }
    cells.push_back(row.cells("warm, one row", 4, " s"));
    cells.push_back(peak.cells("cold, peak memory", 0, " MB"));
    printer.table({"", "median", "least", "most"}, cells);
    printer.say("opening the bundle: " + fixed(opened, 4) +
                " s; the host's share of a row: " + fixed(share.median * 100, 2) + "%");
    std::string running, machine;
    for (const Decision& one : pipe.decisions()) {
        if (!one.target || one.purpose != "run") continue;
        running += (running.empty() ? "" : "; ") + one.component + ": " + *one.target + " (" + *one.precision + ")";
    }
    printer.say(running);
    for (const std::string& line : skipped_lines(pipe.decisions())) printer.say(line);
    const Json where = provenance();
    for (const auto& [name, value] : where.items()) {
        machine +=
            (machine.empty() ? "" : ", ") + name + " " + (value.is_string() ? value.get<std::string>() : value.dump());
    }
    printer.say(machine);
    if (json_file) {
        const Json record = {{"cold_seconds", cold.to_json()},
                             {"cold_megabytes", peak.to_json()},
                             {"open_seconds", opened},
                             {"stages", by_stage},
                             {"row_seconds", row.to_json()},
                             {"host_share", share.median},
                             {"provenance", where},
                             {"engines", decisions_json(pipe.decisions())},
                             {"bundle", words.bundle},
                             {"settings", settings},
                             {"target", opening.target},
                             {"engine_memory", opening.engine_memory ? Json(*opening.engine_memory) : Json()}};
        atomic_file(*json_file, [&](const auto& part) { write_file(part, json_text(record) + "\n"); });
    }
    return 0;
}

}  // namespace

Subcommand add_bench(CLI::App& program) {
    CLI::App* app = program.add_subcommand("bench", "Measure start-up, seconds by stage and memory.");
    auto command = std::make_unique<Command>(*app, std::string(EXAMPLES.substr(1)));
    Command& add = *command;
    auto words = std::make_shared<Words>(Words{
        .bundle = add.argument("BUNDLE", "A bundle's folder."),
        .prompt = add.text("--prompt", "What to draw. [default: a red circle on a blue background]", "TEXT"),
        .repeats = add.text("--repeats", "Number of measured runs. [default: 5]", "1..1000"),
        .json_file = add.text("--json", "Also write the figures to this JSON file.", "PATH"),
        .options = GenerationOptions(add),
        .opening = OpeningOptions(add, {.replace = false}),
    });
    return {std::move(command), [words](Interrupts& interrupts) { return bench(*words, interrupts); }};
}

}  // namespace latentlink
