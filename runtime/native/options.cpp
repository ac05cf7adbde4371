#include "options.h"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "samplers/noise.h"
#include "vocabulary/close_match.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::array<std::string_view, 2> ON_OFF = {"on", "off"};

constexpr std::array TABLE = {
    Option{
        .name = "negative_prompt",
        .kind = Option::Kind::text,
        .help = "What the picture should not show; read where guidance is above 1.",
        .more = "One for all prompts, or one per prompt.",
        .default_text = "the bundle's: an empty prompt, or none",
        .several = true,
    },
    Option{
        .name = "seed",
        .kind = Option::Kind::whole,
        .help = "Seed of the noise: the same seed gives the same picture. Several pictures have seeds that "
                "follow it.",
        .more = "Or one seed per picture. So every picture can be made again alone, with its own seed. "
                "`batch_seed` does what diffusers does with one `torch.Generator`.",
        .default_text = "a random one (also -1), which the result names",
        .several = true,
    },
    Option{
        .name = "steps",
        .kind = Option::Kind::whole,
        .help = "Denoising steps.",
        .more = "One number, or one per picture.",
        .least = 1,
        .most = MAX_STEPS,
        .default_text = "the bundle's",
        .several = true,
    },
    Option{
        .name = "guidance",
        .kind = Option::Kind::number,
        .help = "Guidance scale; 1 or less turns classifier-free guidance off and halves the work.",
        .more = "One number, or one per picture. A guidance-distilled model reads it as an input; an unguided "
                "model ignores it.",
        .least = 0,
        .most = 1000,
        .expected = "0 to 1000 (1 or less turns it off)",
        .default_text = "the bundle's",
        .several = true,
    },
    Option{
        .name = "guidance_interval",
        .kind = Option::Kind::interval,
        .help = "Noise levels between which guidance is applied; steps outside of them cost half.",
        .more = "A pair such as `(0.28, 5.42)`: `low < sigma <= high`, in the unit of Kynkäänniemi et al. "
                "2024, the ratio of noise to signal before a call of the network.",
        .default_text = "all noise levels",
        .metavar = "LOW,HIGH",
        .example = "0.28,5.42",
    },
    Option{
        .name = "step_cache",
        .kind = Option::Kind::whole,
        .help = "Run the whole denoiser on every N-th step and a shallow one between; 1 always runs the whole "
                "one.",
        .more = "The shallow one reuses an earlier output of the deep layers (Ma et al. 2024). Needs a bundle "
                "that was exported with it.",
        .least = 1,
        .most = 1000,
        .default_text = "1, or more if the bundle was measured to lose no quality by it",
        .metavar = "N",
    },
    Option{
        .name = "sampler",
        .kind = Option::Kind::text,
        .help = "Sampler: ddim, ddpm, euler, euler_a, heun, dpm2, lms, pndm, dpmpp_2m, dpmpp_2m_sde, dpmpp_2s, "
                "unipc, deis, lcm, tcd; for flow-matching models flow_euler, flow_heun, dpmpp_2m, unipc. Other "
                "programs' names are accepted too, such as 'DPM++ 2M Karras' or euler_ancestral "
                "(docs/samplers.md).",
        .more = "One name, or one per picture.",
        .default_text = "the bundle's",
        .several = true,
    },
    Option{
        .name = "spacing",
        .kind = Option::Kind::text,
        .help = "Timestep spacing: leading, linspace or trailing.",
        .default_text = "the sampler's",
    },
    Option{
        .name = "sigmas",
        .kind = Option::Kind::text,
        .help = "Spacing of the noise levels: karras, exponential or beta.",
        .default_text = "the training schedule's",
    },
    Option{
        .name = "shift",
        .kind = Option::Kind::number,
        .help = "Shift of the noise levels of a flow-matching model.",
        .expected = "a number above 0",
        .default_text = "the model's",
    },
    Option{
        .name = "eta",
        .kind = Option::Kind::number,
        .help = "Share of fresh noise in each step of ddim and tcd, 0 to 1.",
        .expected = "0 to 1",
        .default_text = "the sampler's",
    },
    Option{
        .name = "width",
        .kind = Option::Kind::whole,
        .help = "Picture width in pixels.",
        .more = "A run that starts from latents has their size, as latents are not resampled.",
        .least = 1,
        .most = MAX_SIDE,
        .default_text = "that of the picture or latents to start from, else the bundle's",
    },
    Option{
        .name = "height",
        .kind = Option::Kind::whole,
        .help = "Picture height in pixels.",
        .more = "A run that starts from latents has their size, as latents are not resampled.",
        .least = 1,
        .most = MAX_SIDE,
        .default_text = "that of the picture or latents to start from, else the bundle's",
    },
    Option{
        .name = "strength",
        .kind = Option::Kind::number,
        .help = "How much noise is added to the picture or latents to start from, 0 to 1: the share of the "
                "steps that run.",
        .least = 0,
        .most = 1,
        .expected = "0 to 1",
        .default_text = "0.8; 1 with a mask, or with a single step",
    },
    Option{
        .name = "denoising_start",
        .kind = Option::Kind::number,
        .help = "Share of the run that the latents to start from have already completed, 0 to 1.",
        .more = "No noise is added; if their noise level is known, it has to be the one that this run begins "
                "with.",
        .least = 0,
        .most = 1,
        .expected = "0 to 1",
    },
    Option{
        .name = "denoising_end",
        .kind = Option::Kind::number,
        .help = "Share of the run after which to stop, 0 to 1; another model of the same latent space can "
                "continue.",
        .least = 0,
        .most = 1,
        .expected = "0 to 1",
    },
    Option{
        .name = "conditions",
        .kind = Option::Kind::named_numbers,
        .help = "Further inputs of the model; `inspect` lists their names.",
        .more = "A mapping, as `{\"original_size\": (1024, 1024)}`; `negative_NAME` sets that of the negative "
                "prompt.",
        .flag = "condition",
        .metavar = "NAME=NUMBERS",
        .example = "original_size=1024,1024",
    },
    Option{
        .name = "num_images",
        .kind = Option::Kind::whole,
        .help = "Pictures per prompt.",
        .least = 1,
        .most = MAX_BATCH,
        .initial = 1,
    },
    Option{
        .name = "batch_seed",
        .kind = Option::Kind::truth,
        .help = "Draw the noise of all pictures from one generator, as diffusers does with one "
                "`torch.Generator`.",
        .more = "A picture then depends on the number of pictures before it, and is made again only with them.",
        .initial = false,
    },
    Option{
        .name = "noise",
        .kind = Option::Kind::text,
        .help = "Noise generator: torch for the numbers of torch's CPU generator, or philox, the same on all "
                "devices.",
        .initial = std::string_view("torch"),
        .choices = NOISES,
    },
    Option{
        .name = "init_image",
        .kind = Option::Kind::picture,
        .help = "Picture to start from, resampled to the size of the run.",
        .more = "One, one per prompt, or one per picture; turned as its EXIF data say.",
        .several = true,
    },
    Option{
        .name = "guard",
        .kind = Option::Kind::text,
        .help = "on checks what every stage wrote (docs/guards.md); off also returns latents and pictures that "
                "are not finite, out of range, flat or noise.",
        .initial = std::string_view("on"),
        .choices = ON_OFF,
    },
    Option{
        .name = "mask_image",
        .kind = Option::Kind::picture,
        .help = "Mask over the picture to start from: white where to paint, black where to keep.",
        .more = "Turned as its EXIF data say.",
        .several = true,
    },
    Option{
        .name = "init_latents",
        .kind = Option::Kind::latents,
        .help = "Latents of this model's latent space to start from, instead of a picture.",
        .more = "Finished ones, or half-way ones with `denoising_start`.",
    },
    Option{
        .name = "decode",
        .kind = Option::Kind::truth,
        .help = "Decode the latents to pictures; if False, the result has only latents.",
        .initial = true,
    },
};

// A name of an option in other programs, and ours.
using OtherName = std::pair<std::string_view, std::string_view>;

constexpr std::array<OtherName, 11> OTHER_NAMES = {{
    {"num_inference_steps", "steps"},
    {"guidance_scale", "guidance"},
    {"cfg_scale", "guidance"},
    {"cfg", "guidance"},
    {"num_images_per_prompt", "num_images"},
    {"image", "init_image"},
    {"latents", "init_latents"},
    {"denoising_strength", "strength"},
    {"generator", "seed"},
    {"sampler_name", "sampler"},
    {"scheduler", "sampler"},
}};

constexpr double CUTOFF = 0.6;  // difflib's own

}  // namespace

std::string Option::flag_name() const {
    std::string made = "--" + std::string(flag.empty() ? name : flag);
    std::ranges::replace(made, '_', '-');
    return made;
}

std::string Option::described() const {
    std::string text(help);
    if (!more.empty()) text += " " + std::string(more);
    const Json value = default_value();
    if (!default_text.empty()) return text + " Default: " + std::string(default_text) + ".";
    if (value.is_null()) return text;
    return text + " Default: " + (value.is_string() ? value.get<std::string>() : repr(value)) + ".";
}

std::string Option::help_text() const {
    std::string text(help);
    if (!example.empty()) text += " For instance: " + std::string(example) + ".";
    const Json value = default_value();
    if (!default_text.empty()) return text + " [default: " + std::string(default_text) + "]";
    if (value.is_null()) return text;
    return text + " [default: " + (value.is_string() ? value.get<std::string>() : repr(value)) + "]";
}

Json Option::default_value() const {
    return std::visit(
        [](const auto& value) -> Json {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>) {
                return nullptr;
            } else {
                return value;
            }
        },
        initial);
}

std::span<const Option> options() { return TABLE; }

const Option& option(std::string_view name) {
    const auto found = std::ranges::find(TABLE, name, &Option::name);
    if (found == TABLE.end()) throw std::invalid_argument("there is no option " + std::string(name));
    return *found;
}

Json requested(const Json& given, std::string_view function) {
    std::vector<std::string_view> known;
    for (const Option& one : TABLE) known.push_back(one.name);
    Json found = Json::object();
    for (const auto& [name, value] : given.items()) {
        if (std::ranges::find(known, name) == known.end()) {
            const auto other = std::ranges::find(OTHER_NAMES, std::string_view(name), &OtherName::first);
            const auto near =
                other != OTHER_NAMES.end() ? std::string(other->second) : close_match(name, known, CUTOFF);
            throw UsageError(std::string(function) + "() got an unexpected keyword argument " + repr(name) +
                             (near ? ". Did you mean " + repr(*near) + "?" : ""));
        }
        if (!value.is_null()) found[name] = value;
    }
    return found;
}

}  // namespace latentlink
