// latentlink-native verify
#include "probing/verify.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "bundle/bundle.h"
#include "command/commands.h"
#include "command/parsing.h"
#include "command/progress.h"
#include "command/words.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/checks.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::string_view EXAMPLES = R"(
  latentlink-native verify demo
  latentlink-native verify demo --vae-decoder demo-tiny     # does it read demo's latents?
  latentlink-native verify bundle --quick --json

Exit status: 0 all engines that can run here passed, 3 the other decoder does not read these latents, 4 a file or an
engine is damaged or computes something else, 5 no engine of a component can run here.)";

constexpr const char* REMEDY = "Get the bundle again, or build it again: latentlink build EXPORTED BUNDLE.";

struct Words {
    std::string& bundle;
    std::optional<std::string>&vae_decoder, &threads;
    std::optional<bool>&quick, &json;
};

// `1e-4` for `1e-04`, so that a line with the longest component name fits.
std::string scientific(double value, int digits) {
    char text[32];
    const int length = std::snprintf(text, sizeof text, "%.*e", digits, value);
    std::string number(text, static_cast<std::size_t>(length));
    for (const char* zero : {"e-0", "e+0"}) {
        if (const auto at = number.find(zero); at != std::string::npos) number.erase(at + 2, 1);
    }
    return number;
}

Json json_of(const EngineCheck& row) {
    Json record = {{"component", row.component},
                   {"target", row.target},
                   {"precision", row.precision},
                   {"verdict", row.verdict},
                   {"reason", row.reason}};
    if (row.agreement) {
        const Agreement& found = *row.agreement;
        record["cosine"] = found.cosine;
        record["psnr"] = found.psnr;  // null where it is infinite
        record["worst"] = found.worst;
        record["threshold"] = {{"psnr", found.needed_psnr}, {"worst", found.needed_worst}};
    }
    return record;
}

void print(const Printer& printer, std::span<const EngineCheck> rows) {
    std::vector<std::vector<std::string>> cells;
    for (const EngineCheck& row : rows) {
        std::vector<std::string> line = {row.component, row.target + " " + row.precision, "", "", "", "", row.verdict};
        if (row.agreement) {
            const Agreement& found = *row.agreement;
            line[2] = fixed(found.cosine, 4);
            line[3] = std::isfinite(found.psnr) ? fixed(found.psnr, 1) + " dB" : "equal";
            line[4] = scientific(found.worst, 1);
            line[5] = general(found.needed_psnr) + " dB " + scientific(found.needed_worst, 0);
        }
        cells.push_back(std::move(line));
    }
    printer.table({"component", "target", "cosine", "PSNR", "worst", "threshold", "verdict"}, cells);
    for (const EngineCheck& row : rows) {
        if (!row.reason.empty()) printer.say(row.component + " for " + row.target + ": " + row.reason);
    }
}

// Throw the error of the first row that failed, if any.
// Throws BundleError: an engine failed, or has no probes; PreflightError: no engine of a component could be run here.
void end(const std::string& bundle, std::span<const EngineCheck> rows) {
    std::set<std::string> ran;
    for (const EngineCheck& row : rows) {
        if (row.verdict == "passed") ran.insert(row.component);
        if (row.verdict != "failed" && row.verdict != "no probes") continue;
        const std::string what =
            row.verdict == "failed" ? "does not compute what the reference computed" : "was not checked";
        throw BundleError(bundle + ": " + row.component + " for " + row.target + " " + what + ": " + row.reason + ".",
                          REMEDY);
    }
    std::string idle;
    for (const EngineCheck& row : rows) {
        if (!ran.contains(row.component)) idle += (idle.empty() ? "" : ", ") + row.component;
    }
    if (!idle.empty()) {
        throw PreflightError(bundle + ": no engine of " + idle + " could be run here; the table says why.");
    }
}

int verify_bundle(const Words& words, Interrupts& interrupts) {
    const Printer printer;
    std::optional<int> threads;
    if (words.threads) threads = static_cast<int>(parse_whole("--threads", *words.threads, 1, MAX_THREADS));
    ProgressBar bar("hashing");
    const Bundle bundle = Bundle::open(bundle_path(words.bundle), true, [&](auto done, auto total) {
        interrupts.check();
        bar.update("hashing", done, total);
    });
    std::size_t count = 0, done = 0;
    for (const auto& [name, entry] : bundle.manifest.components) count += entry.engines.size();
    VerifyOptions options{.quick = words.quick.has_value()};
    options.opening.threads = threads;
    options.before_engine = [&](const std::string& title) {
        interrupts.check();
        bar.update("running " + title, done++, count);
    };
    const std::vector<EngineCheck> rows = verify(bundle, options);
    std::optional<LinkError> refusal;
    std::vector<std::string> admitted;
    if (words.vae_decoder) {
        try {
            const Pipeline pipe(
                load(words.bundle, {.replace = {{"vae_decoder", *words.vae_decoder}}, .threads = threads}));
            admitted = admissions(pipe.decisions());
        } catch (const LinkError& error) {
            refusal = error;
        }
    }
    bar.clear();
    if (words.json) {
        Json engines = Json::array();
        for (const EngineCheck& row : rows) engines.push_back(json_of(row));
        Json record = {{"bundle", words.bundle}, {"engines", engines}};
        if (words.vae_decoder) {
            std::string reason = refusal ? refusal->message() : "";
            for (const std::string& line : admitted) reason += (reason.empty() ? "" : " ") + line;
            record["vae_decoder"] = {{"bundle", *words.vae_decoder}, {"accepted", !refusal}, {"reason", reason}};
        }
        printer.json(record);
    } else {
        print(printer, rows);
        for (const std::string& line : admitted) printer.say(line);
    }
    end(words.bundle, rows);
    if (refusal) throw *refusal;
    return 0;
}

}  // namespace

Subcommand add_verify(CLI::App& program) {
    CLI::App* app = program.add_subcommand(
        "verify", "Run every engine on its golden inputs, and check whether another decoder fits.");
    auto command = std::make_unique<Command>(*app, std::string(EXAMPLES.substr(1)));
    Command& add = *command;
    auto words = std::make_shared<Words>(Words{
        .bundle = add.argument("BUNDLE", "A bundle's folder."),
        .vae_decoder =
            add.text("--vae-decoder", "Also check whether the decoder of bundle OTHER fits BUNDLE.", "OTHER"),
        .threads = add.text("--threads", "Threads for one run. [default: all processors]", "INTEGER"),
        .quick = add.flag("--quick", "Run one probe per engine instead of all."),
        .json = add.flag("--json", "Print the result as JSON."),
    });
    return {std::move(command), [words](Interrupts& interrupts) { return verify_bundle(*words, interrupts); }};
}

}  // namespace latentlink
