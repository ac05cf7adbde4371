// latentlink-native generate
#include <algorithm>

#include "command/commands.h"
#include "command/parsing.h"
#include "command/progress.h"
#include "command/words.h"
#include "picture_files/formats.h"
#include "picture_files/reading.h"
#include "picture_files/remaking.h"
#include "picture_files/writing.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/errors.h"
#include "vocabulary/json_writing.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::string_view EXAMPLES = R"(
  latentlink-native generate demo "a red circle on a blue background" -o out.png
  latentlink-native generate bundle "a lighthouse at dusk" -o out.png --seed 7 --steps 25 --sampler dpmpp_2m
  latentlink-native generate bundle "a lighthouse" "a windmill" -o out.png --num-images 2    # out-1.png to out-4.png
  latentlink-native generate bundle "a lighthouse in snow" -o out.png --init-image day.png --strength 0.6
  latentlink-native generate bundle --like out.png -o again.png    # the same picture, from what its file says
  latentlink-native generate base "a lighthouse" --output-latents half.safetensors --denoising-end 0.8
  latentlink-native generate refiner "a lighthouse" -o out.png --init-latents half.safetensors --denoising-start 0.8)";

// What a picture started from, and the option that gives it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> INPUTS = {
    {{"image", "init_image"}, {"mask", "mask_image"}, {"latents", "init_latents"}}};

struct Words {
    std::string& bundle;
    std::vector<std::string>& prompts;
    std::optional<std::string>&output, &like, &space, &preview_every, &preview_decoder, &quality, &output_latents;
    std::optional<bool>&no_metadata, &json;
    GenerationOptions options;
    OpeningOptions opening;
};

void check_order(const Words& given) {
    if (names_bundle(given.bundle)) return;
    for (const std::string& other : given.prompts) {
        if (!names_bundle(other)) continue;
        throw UsageError(
            repr(other) + " is a bundle, and " + repr(given.bundle) + " is none; the bundle comes before the prompt.",
            "latentlink generate BUNDLE PROMPT -o out.png.");
    }
}

// The prompts and options that make a picture again; those of the command line take precedence.
// Throws UsageError: the file does not say how it was made, or the picture started from something that was not given.
std::pair<Json, Json> options_like(const PictureFile& file, const std::vector<std::string>& prompts,
                                   const Json& given) {
    const Json own = options_of(file);
    std::vector<std::string_view> needed;
    if (file.record) {
        for (const auto& [kind, hashes] : file.record->started_from) {
            const auto found = std::ranges::find(INPUTS, kind, &std::pair<std::string_view, std::string_view>::first);
            if (found != INPUTS.end()) needed.push_back(found->second);
        }
    }
    const bool masked = std::ranges::find(needed, "mask_image") != needed.end();
    if (given.contains("init_latents") && !masked) needed.clear();  // they take the picture's place
    std::string missing;
    for (const std::string_view name : needed) {
        if (!given.contains(name)) missing += (missing.empty() ? "" : " and ") + option(name).flag_name();
    }
    if (!missing.empty()) {
        throw UsageError(repr(file.path.string()) +
                             " was not made from noise alone, and what it started from is not kept in the file.",
                         "Give it again: " + missing + ".");
    }
    Json asked = given;
    if (!prompts.empty()) asked["prompt"] = prompts;
    Json options = given;
    for (const Json made = overridden(own, asked); const auto& [name, value] : made.items()) options[name] = value;
    const Json prompt = options.at("prompt");
    options.erase("prompt");
    return {prompt, options};
}

// The options without those that only the picture's own model has, where another one makes it again.
Json fitted(const PictureFile& file, const Pipeline& pipe, Json options) {
    if (!file.record || file.record->origin.manifest == pipe.origin().manifest) return options;
    const Json& recorded = file.record->options;
    const auto shallow = [](const auto& one) { return one.first == SHALLOW; };
    if (std::ranges::none_of(pipe.origin().engines, shallow) && recorded.contains("step_cache") &&
        options.value("step_cache", Json()) == recorded["step_cache"]) {
        options.erase("step_cache");
    }
    if (options.contains("conditions") && recorded.contains("conditions") &&
        options["conditions"] == recorded["conditions"]) {
        Json known = Json::object();
        for (const auto& [name, value] : recorded["conditions"].items()) {
            const std::string plain = name.starts_with("negative_") ? name.substr(9) : name;
            if (pipe.sampling().conditions.contains(plain)) known[name] = value;
        }
        options.erase("conditions");
        if (!known.empty()) options["conditions"] = known;
    }
    return options;
}

// What a user should know of a picture that was made again, a sentence each.
std::vector<std::string> told(const PictureFile& file, const Result& result) {
    const std::string name = file.path.string() + ": ";
    std::vector<std::string> said;
    if (file.record) {
        for (const std::string& one : differences(*file.record, result.records.front())) said.push_back(name + one);
        const auto& batch = file.record->batch;
        if (batch && result.request().batch_seed && static_cast<int>(result.records.size()) == batch->count()) {
            said.push_back(name + "It is picture " + std::to_string(batch->number) + " of " +
                           std::to_string(batch->count()) +
                           " whose noise was drawn from one seed (--batch-seed), so all of them were made again.");
        }
        return said;
    }
    said.push_back(name + "It was made by another program, whose noise may be another: the picture may differ.");
    if (const auto parameters = file.parameters()) {
        if (const auto levels = left_out_levels(*parameters)) {
            said.push_back(name + "Its schedule type " + repr(*levels) +
                           " has no equal here; the model's own noise levels were taken.");
        }
    }
    return said;
}

// Move pictures and latents from the options to where they belong.
void read_inputs(Given& given, const Words& words, const LoadOptions& opening) {
    const auto taken = [&](const char* name) -> std::optional<std::string> {
        const auto found = given.options.find(name);
        if (found == given.options.end()) return std::nullopt;
        std::string path = found->get<std::string>();
        given.options.erase(name);
        return path;
    };
    if (const auto path = taken("init_image")) given.init_images = {read_picture(*path)};
    if (const auto path = taken("mask_image")) given.masks = {read_picture(*path)};
    if (const auto path = taken("init_latents")) {
        std::vector<std::string> bundles = {words.bundle};
        for (const auto& [component, other] : opening.replace) bundles.push_back(other);
        given.init_latents = Latents::load(*path, named_space(words.space, bundles));
    } else if (words.space) {
        throw UsageError("--space names the space of --init-latents, and there are none.", "Leave it out.");
    }
}

std::filesystem::path with_stem(const std::filesystem::path& path, const std::string& more) {
    return path.parent_path() / (path.stem().string() + more + path.extension().string());
}

int generate(const Words& words, Interrupts& interrupts) {
    Printer printer;
    std::optional<std::filesystem::path> output, latents_output;
    if (words.output) output = writable("--output", *words.output, printer);
    if (words.output_latents) latents_output = writable_latents("--output-latents", *words.output_latents, printer);
    LoadOptions opening = words.opening.values();
    Given given{.prompt = words.prompts, .options = words.options.values()};
    std::optional<int> every, quality;
    if (words.preview_every)
        every = static_cast<int>(parse_whole("--preview-every", *words.preview_every, 1, MAX_STEPS));
    if (words.quality) quality = static_cast<int>(parse_whole("--quality", *words.quality, 1, 100));
    check_order(words);
    if (words.prompts.empty() && !words.like) {
        throw UsageError("There is no prompt; expected one after the bundle, or --like PICTURE.");
    }
    if (!output && !latents_output) {
        throw UsageError("There is nothing to write; expected -o PICTURE, --output-latents FILE, or both.");
    }
    std::optional<PictureFile> original;
    if (words.like) {
        original = read_picture_file(*words.like);
        std::tie(given.prompt, given.options) = options_like(*original, words.prompts, given.options);
    }
    if (output) {
        check_picture(*output, quality);
    } else if (quality) {
        throw UsageError("--quality is that of a picture, and there is none; expected -o PICTURE.");
    }
    if (every) {
        if (!output) {
            throw UsageError("--preview-every writes next to the picture, and there is none; expected -o PICTURE.");
        }
        check_several(*output, "--preview-every");
    }
    const std::size_t prompts = given.prompt.is_array() ? given.prompt.size() : 1;
    if (output && prompts * given.options.value("num_images", std::size_t{1}) > 1) {
        check_several(*output, "A run of several pictures");
    }
    if (words.preview_decoder && !every) {
        throw UsageError("--preview-decoder needs --preview-every.", "Give --preview-every N.");
    }
    read_inputs(given, words, opening);
    if (words.preview_decoder) opening.previews = *words.preview_decoder;

    std::vector<std::filesystem::path> files;
    std::vector<std::string> notes;
    ProgressBar bar("opening the bundle");
    opening.on_progress = [&](auto done, auto total) {
        interrupts.check();
        bar.update("opening the bundle", done, total);
    };
    Pipeline pipe(load(words.bundle, opening));
    const Interrupts::Watching watching(interrupts, pipe);
    interrupts.check();
    if (original) given.options = fitted(*original, pipe, given.options);
    if (!output) given.options["decode"] = false;
    const Result result = pipe.generate(given, [&](const Progress& at) {
        if (every && at.step % *every == 0 && at.row < at.rows) {
            const auto saved =
                save_pictures(pipe.preview(at.predicted()), with_stem(*output, "-step" + std::to_string(at.step)));
            for (const auto& file : saved.files) {
                if (std::ranges::find(files, file) == files.end()) files.push_back(file);
            }
        }
        bar.update(at.row < at.rows ? "denoising" : "decoding", at.row, at.rows);
        return Answer{};
    });
    if (output) {
        const std::span<const Record> records(result.records);
        const Saved saved =
            save_pictures(result.images, *output, words.no_metadata ? std::span<const Record>() : records);
        files.insert(files.end(), saved.files.begin(), saved.files.end());
        notes = saved.left_out;
    }
    if (original) std::ranges::copy(told(*original, result), std::back_inserter(notes));
    if (latents_output) {
        result.latents.save(*latents_output);
        files.push_back(*latents_output);
    }
    bar.clear();
    std::string listed;
    Json names = Json::array();
    for (const auto& file : files) {
        listed += (listed.empty() ? "" : ", ") + file.string();
        names.push_back(file.string());
    }
    if (words.json) {
        Json record = {{"files", names}};
        const Json made = result.to_json();
        for (const auto& [name, value] : made.items()) {
            if (name == "passes") record["notes"] = notes;
            record[name] = value;
        }
        record["engines"] = decisions_json(pipe.decisions());
        printer.json(record);
        return 0;
    }
    std::string several;
    for (const auto& [component, count] : result.passes)
        several += ", " + component + " in " + std::to_string(count) + " passes";
    printer.say(listed + ": " + result.seeds() + ", " + settings_of(result.request()) + ", " +
                fixed(result.seconds("total"), 2) + " s" + several + ".");
    for (const auto& lines : {skipped_lines(pipe.decisions()), admissions(pipe.decisions()), notices(result), notes}) {
        for (const std::string& line : lines) printer.say(line);
    }
    return 0;
}

}  // namespace

Subcommand add_generate(CLI::App& program) {
    CLI::App* app = program.add_subcommand("generate", "Generate pictures from prompts.");
    auto command = std::make_unique<Command>(*app, std::string(EXAMPLES.substr(1)));
    Command& add = *command;
    // In this order `--help` lists them.
    auto words = std::make_shared<Words>(Words{
        .bundle = add.argument("BUNDLE", "A bundle's folder; `demo` and `demo-b` come with the program."),
        .prompts = add.arguments("PROMPT", "What to draw; several prompts make several pictures."),
        .output = add.text("-o,--output", "PNG file to write; - is standard output, and messages go to standard error.",
                           "PATH"),
        .like =
            add.text("--like",
                     "Make this picture again, from what its file says; PROMPT and options on the command line take "
                     "precedence.",
                     "PICTURE"),
        .space =
            add.text("--space",
                     "Latent space of a latents file that does not record it: sd, sdxl, ..., or that of one of the "
                     "bundles.",
                     "NAME"),
        .preview_every = add.text("--preview-every", "Write a preview every N steps: OUT-step5.png, ...", "N"),
        .preview_decoder = add.text("--preview-decoder",
                                    "Bundle whose decoder makes the previews. [default: the model's own]", "BUNDLE"),
        .quality = add.text("--quality", "Refused: it is that of formats that only latentlink writes.", "1..100"),
        .output_latents = add.text("--output-latents",
                                   "Latents file (.safetensors) to write the latents and their space to; - is standard "
                                   "output.",
                                   "PATH"),
        .no_metadata =
            add.flag("--no-metadata", "Do not write into the picture how it was made: prompts, seed, settings, model."),
        .json = add.flag("--json", "Print the result as JSON."),
        .options = GenerationOptions(add),
        .opening = OpeningOptions(add),
    });
    return {std::move(command), [words](Interrupts& interrupts) { return generate(*words, interrupts); }};
}

}  // namespace latentlink
