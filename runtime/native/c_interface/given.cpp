#include "c_interface/given.h"

#include <algorithm>
#include <cmath>

#include "c_interface/handles.h"
#include "request/pictures.h"

namespace latentlink {

namespace {

std::string one_of(const char* name) { return "one of " + std::string(name); }

Json texts(const char* const* first, std::size_t count, const char* name) {
    Json made = Json::array();
    for (const char* text : listed(first, count, name)) made.push_back(&needed(text, one_of(name).c_str()));
    return made;
}

void set(Json& options, const char* name, double value) {
    if (!std::isnan(value)) options[name] = value;
}

void set(Json& options, const char* name, std::uint32_t value) {
    if (value != 0) options[name] = value;
}

void set(Json& options, const char* name, const char* value) {
    if (value != nullptr) options[name] = value;
}

void set(Json& options, const char* name, Json value) {
    if (!value.is_null()) options[name] = std::move(value);
}

Json options_of(const latentlink_generate_options& given) {
    Json options = Json::object();
    set(options, "negative_prompt",
        one_or_each(texts(given.negative_prompts, given.negative_prompt_count, "negative_prompts")));
    set(options, "seed", numbers(given.seeds, given.seed_count, "seeds"));
    set(options, "steps", numbers(given.steps, given.steps_count, "steps"));
    set(options, "guidance", numbers(given.guidance, given.guidance_count, "guidance"));
    if (!std::isnan(given.guidance_low) || !std::isnan(given.guidance_high)) {
        options["guidance_interval"] = {given.guidance_low, given.guidance_high};
    }
    set(options, "step_cache", given.step_cache);
    set(options, "sampler", one_or_each(texts(given.samplers, given.sampler_count, "samplers")));
    set(options, "spacing", given.spacing);
    set(options, "sigmas", given.sigmas);
    set(options, "shift", given.shift);
    set(options, "eta", given.eta);
    set(options, "width", given.width);
    set(options, "height", given.height);
    set(options, "strength", given.strength);
    set(options, "denoising_start", given.denoising_start);
    set(options, "denoising_end", given.denoising_end);
    for (const auto& condition : listed(given.conditions, given.condition_count, "conditions")) {
        Json values = Json::array();
        for (const double number : listed(condition.numbers, condition.count, "conditions")) values.push_back(number);
        options["conditions"][&needed(condition.name, "conditions")] = std::move(values);
    }
    set(options, "num_images", given.num_images);
    if (given.batch_seed != 0) options["batch_seed"] = true;
    set(options, "noise", given.noise);
    if (given.guard_off != 0) options["guard"] = "off";
    if (given.latents_only != 0) options["decode"] = false;
    return options;
}

}  // namespace

Json one_or_each(Json values) {
    if (values.empty()) return {};
    return values.size() == 1 ? values[0] : values;
}

std::vector<Image> images_of(const latentlink_picture* first, std::size_t count, const char* name) {
    std::vector<Image> made;
    for (const latentlink_picture& one : listed(first, count, name)) {
        check_pixels("The picture", one.width, one.height);
        const std::span bytes(&needed(one.pixels, "pixels"), std::size_t{3} * one.width * one.height);
        made.push_back(Image::of(Array::of(bytes, {one.height, one.width, 3})));
    }
    return made;
}

Given given_of(const latentlink_generate_options& options) {
    Given given{.prompt = texts(options.prompts, options.prompt_count, "prompts"), .options = options_of(options)};
    given.init_images = images_of(options.init_images, options.init_image_count, "init_images");
    given.masks = images_of(options.masks, options.mask_count, "masks");
    if (options.init_latents != nullptr) given.init_latents = options.init_latents->latents;
    return given;
}

LoadOptions load_options_of(const latentlink_load_options& given) {
    LoadOptions options;
    if (given.target != nullptr) options.target = given.target;
    for (const auto& one : listed(given.replace, given.replace_count, "replace")) {
        options.replace.emplace_back(&needed(one.component, "replace.component"),
                                     &needed(one.bundle, "replace.bundle"));
    }
    if (given.threads != 0) options.threads = static_cast<int>(std::min<std::uint32_t>(given.threads, INT32_MAX));
    if (given.verify != 0) options.verify = given.verify > 0;
    const auto bytes = [](std::uint64_t count) {
        return static_cast<std::int64_t>(std::min<std::uint64_t>(count, INT64_MAX));
    };
    if (given.vae_memory != 0) options.vae_memory = bytes(given.vae_memory);
    if (given.engine_memory != 0) options.engine_memory = bytes(given.engine_memory);
    if (given.previews != nullptr) options.previews = given.previews;
    if (given.on_progress != nullptr) {
        options.on_progress = [=](auto done, auto total) {
            given.on_progress(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(total), given.user);
        };
    }
    return options;
}

}  // namespace latentlink
