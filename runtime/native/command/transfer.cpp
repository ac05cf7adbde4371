// latentlink-native transfer
#include <cmath>

#include "command/commands.h"
#include "command/parsing.h"
#include "command/progress.h"
#include "command/words.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::string_view EXAMPLES = R"(
  latentlink-native generate demo "a red circle on a blue background" -o a.png --output-latents a.safetensors
  latentlink-native transfer a.safetensors --from demo --to demo-b -o b.safetensors
  latentlink-native transfer a.safetensors --from demo --to demo-b -o b.safetensors --width 96
  latentlink-native transfer other-program.safetensors --space sd --from sd15 --to sdxl -o b.safetensors --fit)";

struct Words {
    std::string& latents;
    std::optional<std::string>&source, &destination, &output, &width, &height, &space, &guard;
    std::optional<bool>&fit, &json;
    OpeningOptions opening;
};

const std::string& needed(const std::optional<std::string>& text, const std::string& flag) {
    if (text) return *text;
    throw UsageError("Missing option " + flag + ".", "See latentlink-native transfer --help.");
}

std::string size_text(const PictureSize& size) {
    return std::to_string(size.width) + "x" + std::to_string(size.height);
}

Json decibels(double psnr) { return std::isinf(psnr) ? Json() : Json(std::round(psnr * 100) / 100); }

std::string words_of(const TransferResult& done) {
    if (done.direct()) return "handed over unchanged: the space is the same";
    std::string between, each;
    if (done.resized) {
        const auto& [before, after] = *done.resized;
        between = "resized from " + size_text(before) + " to " + size_text(after) + ", ";
    }
    if (done.psnrs.size() > 1) {
        for (const double one : done.psnrs) each += (each.empty() ? " (" : ", ") + fixed(one, 1);
        each += ")";
    }
    return "decoded by " + *done.decoded_by + ", " + between + "encoded by " + *done.encoded_by + "; round trip " +
           fixed(done.psnr, 1) + " dB" + each;
}

Json json_of(const TransferResult& done, const std::filesystem::path& output) {
    Json resized, psnrs = Json::array();
    if (done.resized) {
        const auto& [before, after] = *done.resized;
        resized = Json::array({Json::array({before.width, before.height}), Json::array({after.width, after.height})});
    }
    for (const double one : done.psnrs) psnrs.push_back(decibels(one));
    return {{"output", output.string()},
            {"symbol", done.latents.symbol()},
            {"decoded_by", done.decoded_by ? Json(*done.decoded_by) : Json()},
            {"resized", resized},
            {"encoded_by", done.encoded_by ? Json(*done.encoded_by) : Json()},
            {"round_trip_psnr", decibels(done.psnr)},
            {"round_trip_psnrs", psnrs}};
}

int transfer_latents(const Words& words, Interrupts& interrupts) {
    Printer printer;
    const std::string &source = needed(words.source, "'--from'"), &destination = needed(words.destination, "'--to'");
    const std::filesystem::path output =
        writable_latents("--output", needed(words.output, "'-o' / '--output'"), printer);
    TransferOptions options{.fit = words.fit.has_value()};
    if (words.width) options.width = parse_whole("--width", *words.width, 1, MAX_SIDE);
    if (words.height) options.height = parse_whole("--height", *words.height, 1, MAX_SIDE);
    const std::string guard = words.guard.value_or("on");
    if (guard != "on" && guard != "off") {
        throw UsageError("Invalid value for --guard: " + repr(guard) + " is not one of on, off.");
    }
    if (names_bundle(words.latents)) {
        throw UsageError(repr(words.latents) + " is a bundle; expected a latents file before the options.",
                         "--from and --to name the bundles; latentlink generate --output-latents FILE writes such a "
                         "file.");
    }
    ProgressBar bar("decoding and encoding");
    LoadOptions opening = words.opening.values();
    opening.on_progress = [&](auto, auto) { interrupts.check(); };
    const std::vector<std::string> bundles = {source, destination};
    const Latents read = Latents::load(words.latents, named_space(words.space, bundles));
    Pipeline first(load(source, opening)), second(load(destination, opening));
    const Interrupts::Watching watching(interrupts, first), watching_too(interrupts, second);
    interrupts.check();
    const TransferResult done = first.transfer_to(second, read, options, guard);
    done.latents.save(output);
    bar.clear();
    if (words.json) {
        Json record = json_of(done, output);
        record["engines"][source] = decisions_json(first.decisions());
        record["engines"][destination] = decisions_json(second.decisions());
        printer.json(record);
        return 0;
    }
    printer.say(output.string() + ": " + done.latents.symbol());
    printer.say(words_of(done));
    const bool several = source != destination;
    for (const auto* pipe : {&first, &second}) {
        if (pipe == &second && !several) break;
        for (const std::string& line : skipped_lines(pipe->decisions())) {
            printer.say((several ? pipe->name() + ": " : "") + line);
        }
    }
    return 0;
}

}  // namespace

Subcommand add_transfer(CLI::App& program) {
    CLI::App* app = program.add_subcommand("transfer", "Move latents from one model's latent space to another's.");
    auto command = std::make_unique<Command>(*app, std::string(EXAMPLES.substr(1)));
    Command& add = *command;
    const std::string side =
        " in pixels to resample the pictures to; without the other side the proportions stay. "
        "[default: their own]";
    auto words = std::make_shared<Words>(Words{
        .latents = add.argument("LATENTS", "A latents file (.safetensors)."),
        .source = add.text("--from", "Bundle that decodes the latents.", "BUNDLE"),
        .destination = add.text("--to", "Bundle that encodes the pictures.", "BUNDLE"),
        .output = add.text("-o,--output",
                           "Latents file (.safetensors) to write the latents and their space to; - is standard output.",
                           "PATH"),
        .width = add.text("--width", "Width" + side, "1..16384"),
        .height = add.text("--height", "Height" + side, "1..16384"),
        .space =
            add.text("--space",
                     "Latent space of a latents file that does not record it: sd, sdxl, ..., or that of one of the "
                     "bundles.",
                     "NAME"),
        .guard =
            add.text("--guard",
                     "on checks latents and pictures (docs/guards.md); off also returns those that are not finite, "
                     "out of range, flat or noise. [default: on]",
                     "on|off"),
        .fit = add.flag("--fit", "Resample to the nearest size that the model of --to accepts, if necessary."),
        .json = add.flag("--json", "Print the result as JSON."),
        .opening = OpeningOptions(add, {.replace = false, .threads = false, .engine_memory = false}),
    });
    return {std::move(command), [words](Interrupts& interrupts) { return transfer_latents(*words, interrupts); }};
}

}  // namespace latentlink
