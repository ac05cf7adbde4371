// latentlink-native inspect
#include <algorithm>
#include <cmath>

#include "bundle/bundle.h"
#include "command/commands.h"
#include "command/made.h"
#include "command/words.h"
#include "quality/gate.h"
#include "request/latents.h"
#include "sessions/backends.h"
#include "targets/fingerprint.h"
#include "vocabulary/amounts.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::string_view EXAMPLES = R"(
  latentlink-native inspect demo
  latentlink-native inspect out.png                # prompt, seed, settings, model; also of other programs' pictures
  latentlink-native inspect out.safetensors --json)";

constexpr std::array<std::string_view, 11> PICTURES = {".png",  ".jpg", ".jpeg", ".webp", ".avif", ".tif",
                                                       ".tiff", ".gif", ".bmp",  ".ppm",  ".mpo"};

struct Words {
    std::string& what;
    std::optional<std::string>& space;
    std::optional<bool>& json;
};

std::string numbers_of(std::span<const double> numbers) {
    std::string text;
    for (const double number : numbers) text += (text.empty() ? "" : ", ") + general(number);
    return text;
}

// Size limits as `B 1:1:4, h 64, w 64`; empty if every size is free.
std::string limits_of(const EngineEntry& engine) {
    std::string text;
    for (const auto& [dim, range] : engine.limits) {
        text += (text.empty() ? "" : ", ") + dim + " " + std::to_string(range[0]);
        if (range[0] != range[2]) text += ":" + std::to_string(range[1]) + ":" + std::to_string(range[2]);
    }
    return text;
}

std::string shape_of(const Port& port) {
    std::string text;
    for (const Dim& dim : port.shape) {
        text += text.empty() ? "" : ", ";
        text += std::holds_alternative<std::string>(dim) ? std::get<std::string>(dim)
                                                         : std::to_string(std::get<std::int64_t>(dim));
    }
    return "(" + text + ")";
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}

// How an engine agrees with torch.
std::string parity_of(const EngineEntry& engine) {
    if (!engine.parity) return "not run";
    char text[32];
    const int length = std::snprintf(text, sizeof text, "%.1e", engine.parity->at("relative").get<double>());
    return {text, static_cast<std::size_t>(length)};
}

std::vector<std::string> row_of(const Manifest& manifest, const std::string& component, const EngineEntry& engine,
                                const Machine& machine) {
    std::int64_t held = 0;
    for (const auto& [path, file] : manifest.files) {
        if (folder_of(path) == folder_of(engine.path)) held += static_cast<std::int64_t>(file.size);
    }
    std::string here = "to be built";
    if (engine.target != EXPORTED) {
        const auto finding = preflight(engine, machine);
        here = finding ? finding->code : "valid";
    }
    return {component,         engine.target, engine.precision, bytes_in_words(held),
            parity_of(engine), here,          limits_of(engine)};
}

// What `build --target auto` measured: the engine that was kept, those that were slower, and those that were dropped.
void print_measured(const Printer& printer, const Manifest& manifest) {
    for (const auto& [name, entry] : manifest.components) {
        if (!entry.measured) continue;
        std::string sizes;
        for (const auto& [dim, size] : entry.measured->sizes) {
            sizes += (sizes.empty() ? "" : ", ") + dim + " " + std::to_string(size);
        }
        printer.say(name + ", fastest on " + entry.measured->on + (sizes.empty() ? "" : ", " + sizes) + ":");
        bool first = true;
        for (const ComparedEngine& one : entry.measured->candidates) {
            std::vector<std::string> figures;
            if (one.seconds) figures.push_back(general(*one.seconds, 4) + " s");
            if (one.psnr) figures.push_back("PSNR " + fixed(*one.psnr, 1) + " dB");
            if (first) figures.push_back("kept");
            if (!one.reason.empty()) figures.push_back("dropped: " + one.reason);
            first = false;
            std::string line;
            for (const std::string& figure : figures) line += (line.empty() ? "" : ", ") + figure;
            printer.say("  " + one.target + " " + one.precision + ": " + line);
        }
    }
}

void print_quality(const Printer& printer, const Manifest& manifest) {
    for (const auto& [component, entry] : manifest.components) {
        for (const EngineEntry& engine : entry.engines) {
            if (const auto quality = Quality::of_parity(engine.parity.value_or(Json()))) {
                printer.say(component + " in " + engine.precision +
                            " beside float32, at equal seeds: " + quality->summary());
            }
        }
    }
    if (const auto& cache = manifest.sampling.step_cache) {
        const Quality& quality = cache->quality;
        const std::string how = quality.visually_lossless()            ? "on by default, as nobody would see it"
                                : !quality.shortfall_summary().empty() ? "refused, as it is below the gate"
                                                                       : "off by default";
        printer.say("step cache " + std::to_string(cache->every) + " in " + std::to_string(cache->steps) + " steps, " +
                    how + "; beside none, at equal seeds: " + quality.summary());
    }
}

void show_bundle(const Printer& printer, const std::string& name, const Bundle& bundle) {
    const Manifest& manifest = bundle.manifest;
    const Sampling& sampling = manifest.sampling;
    std::int64_t total = 0;
    for (const auto& [path, file] : manifest.files) total += static_cast<std::int64_t>(file.size);
    printer.say(name + ": " + manifest.kind + " of " + manifest.name + " (" + manifest.family + "), " +
                bytes_in_words(total));
    for (const LatentSpace& space : manifest.spaces) {
        printer.say("latent space " + space.name + ": " + space.numbers() + ", digest " + space.digest());
    }
    if (manifest.components.contains("denoiser")) {
        printer.say("defaults: " + sampling.sampler + ", " + std::to_string(sampling.steps) + " steps, guidance " +
                    general(sampling.guidance) + ", " + std::to_string(sampling.width) + "x" +
                    std::to_string(sampling.height) + ", sides in multiples of " +
                    std::to_string(sampling.size_multiple));
    }
    for (const auto& [condition, numbers] : sampling.conditions) {
        const std::string others =
            numbers.unconditional ? ", " + numbers_of(*numbers.unconditional) + " for the negative prompt" : "";
        printer.say("condition " + condition + ": " + numbers_of(numbers.numbers) + " by default" + others);
    }
    constexpr std::string_view PRECISION = "precision.", LEFT_OUT = "left_out.";
    for (const auto& [key, reason] : manifest.provenance) {
        if (key.starts_with(PRECISION)) printer.say(key.substr(PRECISION.size()) + " in " + reason);
        if (key.starts_with(LEFT_OUT)) printer.say("left out, " + key.substr(LEFT_OUT.size()) + ": " + reason);
    }
    const Machine machine = this_machine(library_versions());
    std::vector<std::vector<std::string>> rows;
    for (const auto& [component, entry] : manifest.components) {
        for (const EngineEntry& engine : entry.engines) rows.push_back(row_of(manifest, component, engine, machine));
    }
    printer.table({"component", "target", "precision", "size", "from torch", "here", "built for"}, rows);
    print_measured(printer, manifest);
    print_quality(printer, manifest);
    for (const auto& [component, entry] : manifest.components) {
        for (const Port& port : entry.inputs) {
            printer.say(component + " reads  " + port.tensor() + " " + shape_of(port));
        }
        for (const Port& port : entry.outputs) {
            printer.say(component + " writes " + port.tensor() + " " + shape_of(port));
        }
    }
}

double rounded(double number) { return std::round(number * 1e4) / 1e4; }

void show_latents(const Printer& printer, const std::filesystem::path& path, const std::optional<std::string>& space,
                  bool as_json) {
    std::vector<std::string> bundles;
    if (space && std::filesystem::is_directory(bundle_path(*space))) bundles = {*space};
    const Latents latents = Latents::load(path, named_space(space, bundles));
    const Array numbers = latents.array.to(DType::float32);
    double sum = 0, squares = 0;
    for (const float number : numbers.as<float>()) sum += number;
    const double mean = sum / static_cast<double>(numbers.count());
    for (const float number : numbers.as<float>()) squares += (number - mean) * (number - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(numbers.count()));
    Json level;
    if (latents.level) level = {latents.level->signal, latents.level->noise};
    const Json record = {{"symbol", latents.symbol()},
                         {"shape", latents.array.shape()},
                         {"space", latents.space.to_json()},
                         {"level", level},
                         {"mean", rounded(mean)},
                         {"std", rounded(deviation)}};
    if (as_json) return printer.json(record);
    std::string state = latents.level ? "finished" : "level unknown";
    if (latents.level && latents.half_way()) {
        state = "half way: signal " + general(latents.level->signal, 4) + ", noise " + general(latents.level->noise, 4);
    }
    printer.say(path.string() + ": latents " + repr(record["shape"]) + " of space " + latents.space.name + " (" +
                latents.space.numbers() + "), " + state);
    printer.say("symbol " + latents.symbol() + ", mean " + repr(record["mean"]) + ", std " + repr(record["std"]));
}

int inspect(const Words& words, Interrupts& interrupts) {
    const Printer printer;
    const std::filesystem::path path = bundle_path(words.what);
    const std::string ending = path.extension().string();
    const bool as_json = words.json.has_value();
    if (words.space && ending != ".safetensors") {
        throw UsageError("--space names the space of a latents file, but " + repr(words.what) + " is none.",
                         "Leave it out.");
    }
    std::error_code failed;
    if (std::filesystem::is_directory(path, failed)) {
        const Bundle bundle = Bundle::open(path, true, [&](auto, auto) { interrupts.check(); });
        if (as_json) {
            printer.json(bundle.manifest.to_json());
        } else {
            show_bundle(printer, words.what, bundle);
        }
    } else if (ending == ".safetensors") {
        show_latents(printer, path, words.space, as_json);
    } else if (ending == ".onnx" || ending == ".plan" || ending == ".xml") {
        throw UsageError("This program shows no engine by itself, such as " + repr(words.what) + ".",
                         "Use latentlink inspect FILE; inspect BUNDLE lists the ports of all engines.");
    } else if (std::ranges::find(PICTURES, lower(ending)) != PICTURES.end()) {
        show_picture(printer, path, as_json);
    } else if (!std::filesystem::exists(path, failed)) {
        throw no_bundle(path);
    } else {
        throw UsageError(
            repr(words.what) +
            " is not a bundle's directory, an engine (.onnx, .plan, .xml), a latents file (.safetensors) or "
            "a picture (.png, .jpg, .webp).");
    }
    return 0;
}

}  // namespace

Subcommand add_inspect(CLI::App& program) {
    CLI::App* app = program.add_subcommand("inspect", "Show a bundle, an export, latents, or how a picture was made.");
    auto command = std::make_unique<Command>(*app, std::string(EXAMPLES.substr(1)));
    Command& add = *command;
    auto words = std::make_shared<Words>(Words{
        .what = add.argument("WHAT", "A bundle, an export, a latents file, or a picture."),
        .space = add.text("--space",
                          "Latent space of a latents file that does not record it: sd, sdxl, ..., or a bundle of that "
                          "space.",
                          "NAME"),
        .json = add.flag("--json", "Print the result as JSON."),
    });
    return {std::move(command), [words](Interrupts& interrupts) { return inspect(*words, interrupts); }};
}

}  // namespace latentlink
