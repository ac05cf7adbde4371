#include "generating.h"

#include <algorithm>
#include <cmath>

#include "denoising/conditioning.h"
#include "denoising/guidance.h"
#include "picture_files/started_from.h"
#include "pipeline.h"
#include "request/limits.h"
#include "request/memory.h"
#include "sessions/clock.h"
#include "sessions/host_session.h"
#include "unusual_settings.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

Json option_or(const Json& options, const char* name, Json otherwise) {
    const auto found = options.find(name);
    return found == options.end() || found->is_null() ? std::move(otherwise) : *found;
}

bool has_port(std::span<const Port> ports, std::string_view tensor) {
    return std::ranges::any_of(ports, [&](const Port& port) { return port.tensor() == tensor; });
}

// The prompts that were encoded, and the options with their negative prompts.
// Throws UsageError: a negative prompt was given too, or they are not what `encode_prompt` makes; LinkError: they are
// of another model.
std::pair<Json, Json> as_encoded(const Linked& linked, const PromptEmbeddings& encoded, Json options) {
    if (options.contains("negative_prompt")) {
        throw UsageError("Received a negative_prompt beside prompts that were encoded with theirs.",
                         "Give it to encode_prompt.");
    }
    std::map<std::string, Port, std::less<>> ports;
    for (const Port& port : linked.denoiser.declared.first) {
        const auto reads = [&](const LinkedText& text) { return text.tensor == port.tensor(); };
        if (std::ranges::any_of(linked.texts, reads)) ports.emplace(port.tensor(), port);
    }
    encoded.check(ports, linked.denoiser.limits, linked.denoiser.title());
    Json negatives = Json::array();
    for (const auto& negative : encoded.negative_prompts()) {
        if (!negative) return {encoded.prompts(), options};  // as the model's default has it
        negatives.push_back(*negative);
    }
    options["negative_prompt"] = negatives;
    return {encoded.prompts(), options};
}

// Refuse pictures that stop half way at different noise levels, which one `Latents` does not hold.
void check_ends(std::span<const Picture> pictures) {
    std::vector<Level> levels;
    for (const Picture& picture : pictures) {
        const Level last = picture.table.levels.back();
        const auto same = [&](const Level& one) { return one.signal == last.signal && one.noise == last.noise; };
        if (std::ranges::none_of(levels, same)) levels.push_back(last);
    }
    if (levels.size() < 2) return;
    std::string noises;
    for (const Level& level : levels) noises += (noises.empty() ? "" : ", ") + general(level.noise, 4);
    throw UsageError(
        "With denoising_end the pictures of this call stop at different noise levels (" + noises + "); expected one.",
        "Give all pictures the same steps and sampler, or leave denoising_end out.");
}

bool clean(const Level& level) { return level.signal == CLEAN.signal && level.noise == CLEAN.noise; }

}  // namespace

Generation::Generation(Pipeline& pipe, const Given& given, bool watched)
    : pipe_(pipe), began_(Clock::now()), waited_(Clock::waited()), encoded_(given.encoded), watched_(watched) {
    const Linked& linked = pipe.linked();
    const Sampling& sampling = pipe.sampling();
    const int downscale = pipe.space().downscale;
    Json prompt = given.prompt, options = given.options;
    if (encoded_) std::tie(prompt, options) = as_encoded(linked, *encoded_, std::move(options));
    inputs_ = inputs_of(given);
    watch_ = Guard::of(option_or(options, "guard", "on").get<std::string>(), sampling.ranges);
    const auto [width, height] = size_of(inputs_, option_or(options, "width", {}), option_or(options, "height", {}),
                                         static_cast<int>(sampling.size_multiple), downscale);
    options["width"] = width;
    options["height"] = height;
    const bool started = (!inputs_.images.empty() || inputs_.latents) && inputs_.masks.empty();
    const std::vector<Request> requests = resolve(
        sampling, prompt, options,
        {.default_strength = started ? std::optional(STRENGTH) : std::nullopt, .shallow = linked.shallow.has_value()});
    const Request& first = requests.front();
    check_limits(pipe.whole_engines(), first.width, first.height, first.count, downscale);
    if (dynamic_cast<const HostSession*>(linked.denoiser.session.get()) != nullptr) {
        check_memory(first.width, first.height, first.count);
    }
    decode_ = option_or(options, "decode", true).get<bool>();
    passes_ = pipe.vae().halves().passes(first.width, first.height, !inputs_.images.empty(), decode_);
    prompts_ = requests.size() / option_or(options, "num_images", 1).get<std::size_t>();
    const bool itself = has_port(linked.denoiser.session->inputs(), linked.latent.at("masked").tensor());
    check_inputs(inputs_, first, prompts_, itself);
    for (const Request& request : requests) pictures_.push_back(picture_of(request));
    check_ends(pictures_);
    watch_.unusual = unusual();
}

std::optional<Progress> Generation::advance() {
    if (!denoising_) begin();
    return denoising_->advance();
}

Result Generation::finish() {
    const DenoiseResult done = denoising_->result();
    const Level level = pictures_.front().table.levels.back();
    std::vector<Margin> margins;
    for (const Picture& picture : pictures_) {
        margins.push_back(generated_margin(picture.table.steps(), static_cast<int>(pipe_.sampling().steps)));
    }
    watch_.latents("denoiser", done.array, level, margins, true);
    const double denoised = Clock::now();
    Result result{.images = {},
                  .latents = Latents::checked({.array = done.array, .space = pipe_.space(), .level = level}),
                  .timings = {},
                  .requests = requests(),
                  .records = records()};
    if (decode_) {
        for (const Array& pixels : pipe_.vae().decode(watch_, done.array, clean(level), done.buffer)) {
            result.images.push_back(Image::of(pixels));
        }
    }
    const double ended = Clock::now();
    result.timings = {{"text_encoder", texts_read_ - checked_},
                      {"vae_encoder", encoding_},
                      {"denoiser", denoised - texts_read_ - encoding_},
                      {"denoiser_engine", done.seconds},
                      {"vae_decoder", ended - denoised},
                      {"total", ended - began_},
                      {"waiting", Clock::waited() - waited_}};
    result.passes = passes_;
    result.mended = watch_.mended;
    for (const Request& request : result.requests) {
        if (!result.unmeasured_cache) result.unmeasured_cache = unmeasured(request, pipe_.sampling());
    }
    return result;
}

// The pictures, masks or latents that the generation starts from.
// Throws UsageError: both strength and denoising_start are given, or a picture is too large; LinkError: the latents are
// of another space.
Inputs Generation::inputs_of(const Given& given) const {
    const Json strength = option_or(given.options, "strength", {});
    const Json start = option_or(given.options, "denoising_start", {});
    if (!strength.is_null() && !start.is_null()) {
        throw UsageError("strength " + repr(strength) + " and denoising_start " + repr(start) +
                         " both say where to begin; expected one.");
    }
    Inputs inputs;
    if (given.init_latents) {
        const Latents& latents = check_latents(*given.init_latents, pipe_.space(), pipe_.name());
        inputs.latents = latents.array.to(DType::float32);
        inputs.level = latents.level;
    }
    if (!given.init_images.empty()) inputs.images = as_list(given.init_images);
    if (!given.masks.empty()) inputs.masks = as_list(given.masks);
    return inputs;
}

Picture Generation::picture_of(const Request& request) const {
    const Linked& linked = pipe_.linked();
    SamplerTable table = request.table();
    check_step_cache(linked, request, pipe_.sampling(), pipe_.name());
    std::vector<bool> guided = guided_rows(linked.denoiser, request, table);
    const bool any = std::ranges::find(guided, true) != guided.end();
    return {.request = request,
            .table = std::move(table),
            .guided = std::move(guided),
            .paired = encoded_ != nullptr || any,
            .conditions = conditions_of(linked.denoiser, request)};
}

void Generation::begin() {
    const Linked& linked = pipe_.linked();
    checked_ = Clock::now();
    const std::vector<Texts> read = texts();
    texts_read_ = Clock::now();
    std::vector<Run> made = runs(read);
    const bool shallow = std::ranges::any_of(made, [](const Run& run) {
        const std::vector<bool> rows = shallow_rows(run.table, run.every, run.guided);
        return std::ranges::find(rows, true) != rows.end();
    });
    Stepper stepper(linked.denoiser, shallow ? linked.shallow->session : nullptr, linked.latent);
    denoising_.emplace(linked.denoiser, std::move(stepper), std::move(made), watched_);
}

// What every picture's run reads of the text encoders.
std::vector<Texts> Generation::texts() {
    const Linked& linked = pipe_.linked();
    std::vector<Texts> read;
    if (encoded_) {
        const std::size_t each = pictures_.size() / prompts_;
        for (const Texts& one : upload_texts(linked, *encoded_)) read.insert(read.end(), each, one);
    } else {
        std::vector<bool> paired;
        for (const Picture& picture : pictures_) paired.push_back(picture.paired);
        read = read_texts(linked, pipe_.prompts(), requests(), paired);
    }
    if (!watch_.on) return read;  // the embeddings are not copied to the host
    for (const LinkedText& text : linked.texts) {
        for (const Array& array : embeddings(read, text.tensor)) watch_.embedding(text.engine.component, array);
    }
    return read;
}

// The runs, none of which has begun.
std::vector<Run> Generation::runs(const std::vector<Texts>& texts) {
    const Encode encode = [this](const Array& pictures, const std::optional<Array>& masks, const Array& noise) {
        const double began = Clock::now();
        Array made = pipe_.vae().encode(watch_, pictures, masks ? &*masks : nullptr, noise);
        encoding_ += Clock::now() - began;
        return made;
    };
    const Linked& linked = pipe_.linked();
    std::vector<Run> made = runs_of(pictures_, texts, inputs_, *linked.denoiser.session, linked.latent, encode);
    if (inputs_.latents) {
        const Picture& first = pictures_.front();
        watch_.latents("init_latents", *inputs_.latents,
                       first.request.denoising_start ? first.table.levels.front() : CLEAN);
    }
    return made;
}

// How each picture is made.
std::vector<Record> Generation::records() const {
    const std::vector<Request> listed = requests();
    const auto hashes = hashes_of(inputs_, static_cast<int>(listed.size()), listed.front().batch_seed);
    std::vector<Record> made;
    for (std::size_t number = 0; number < listed.size(); ++number) {
        made.push_back(record_of(listed[number], listed, pipe_.origin(), hashes[number]));
    }
    return made;
}

// The unusual settings of any picture, each once.
std::vector<Unusual> Generation::unusual() const {
    const auto& ports = pipe_.linked().denoiser.session->inputs();
    const bool guided = std::ranges::any_of(ports, [](const Port& port) { return port.kind == "guidance"; });
    const bool weighted = std::ranges::any_of(pipe_.prompts(), [](const auto& one) { return one.second.chunks(); });
    std::vector<Unusual> found;
    for (const Picture& picture : pictures_) {
        for (Unusual& one : unusual_settings(picture.request, pipe_.sampling(), picture.table, guided, weighted)) {
            const auto known = [&](const Unusual& other) { return other.setting == one.setting; };
            if (std::ranges::none_of(found, known)) found.push_back(std::move(one));
        }
    }
    return found;
}

std::vector<Request> Generation::requests() const {
    std::vector<Request> listed;
    for (const Picture& picture : pictures_) listed.push_back(picture.request);
    return listed;
}

}  // namespace latentlink
