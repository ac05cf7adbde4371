// The functions of latentlink.h: values in, handles out, and no exception past them.
#include <algorithm>
#include <cmath>

#include "c_interface/given.h"
#include "c_interface/handles.h"
#include "c_interface/reporting.h"
#include "picture_files/reading.h"
#include "picture_files/writing.h"
#include "sessions/backends.h"

using namespace latentlink;

namespace {

Json json_of(const Pipeline& pipe) {
    Json conditions = Json::array(), decisions = Json::array();
    for (const auto& [name, condition] : pipe.sampling().conditions) conditions.push_back(name);
    for (const Decision& decision : pipe.decisions()) decisions.push_back(decision.to_json());
    return {{"name", pipe.manifest().name},
            {"family", pipe.manifest().family},
            {"space", pipe.space().to_json()},
            {"draws", pipe.draws()},
            {"sampler", pipe.sampling().sampler},
            {"steps", pipe.sampling().steps},
            {"guidance", pipe.sampling().guidance},
            {"width", pipe.sampling().width},
            {"height", pipe.sampling().height},
            {"size_multiple", pipe.sampling().size_multiple},
            {"conditions", conditions},
            {"engines", decisions}};
}

latentlink_picture view_of(const std::vector<Image>& images, std::size_t number) {
    if (number >= images.size()) return {};
    const Image& image = images[number];
    return {image.pixels.as<std::uint8_t>().data(), static_cast<std::uint32_t>(image.width()),
            static_cast<std::uint32_t>(image.height())};
}

const Image& picture_at(const latentlink_result& result, std::size_t number) {
    const auto& images = result.result.images;
    if (images.empty()) {
        throw UsageError("The result has no pictures; expected one that was decoded.", "Leave latents_only out.");
    }
    if (number >= images.size()) {
        throw UsageError("number is " + std::to_string(number) + "; expected a whole number from 0 to " +
                         std::to_string(images.size() - 1) + ".");
    }
    return images[number];
}

// The PNG file of a picture.
std::string png_of(const latentlink_result& result, std::size_t number, bool metadata) {
    const Image& image = picture_at(result, number);
    return picture_bytes(image, "PNG", metadata ? &result.result.records.at(number) : nullptr).bytes;
}

}  // namespace

const char* latentlink_version(void) { return VERSION.data(); }

const char* latentlink_targets(void) {
    static const std::string built = [] {
        std::string names;
        for (const Backend& backend : backends()) {
            if (backend.open == nullptr) continue;
            for (const std::string_view target : backend.targets) {
                names += (names.empty() ? "" : ", ") + std::string(target);
            }
        }
        return names;
    }();
    return built.c_str();
}

latentlink_status latentlink_error_status(const latentlink_error* error) {
    return error == nullptr ? LATENTLINK_DONE : static_cast<latentlink_status>(error->status);
}
const char* latentlink_error_message(const latentlink_error* error) {
    return error == nullptr ? "" : error->message.c_str();
}
const char* latentlink_error_remedy(const latentlink_error* error) {
    return error == nullptr ? "" : error->remedy.c_str();
}
const char* latentlink_error_json(const latentlink_error* error) {
    return error == nullptr ? "{}" : error->json.c_str();
}
void latentlink_error_free(latentlink_error* error) { delete error; }

latentlink_status latentlink_pictures_read(const char* path, latentlink_pictures** pictures, latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(pictures, "pictures");
        out = new latentlink_pictures{{read_picture(&needed(path, "path")).rgb()}};
    });
}
size_t latentlink_pictures_count(const latentlink_pictures* pictures) {
    return pictures == nullptr ? 0 : pictures->images.size();
}
latentlink_picture latentlink_pictures_at(const latentlink_pictures* pictures, size_t number) {
    return pictures == nullptr ? latentlink_picture{} : view_of(pictures->images, number);
}
void latentlink_pictures_free(latentlink_pictures* pictures) { delete pictures; }

latentlink_status latentlink_load(const char* bundle, const latentlink_load_options* options,
                                  latentlink_pipeline** pipeline, latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(pipeline, "pipeline");
        const auto given = of_this_version(options, {}, &latentlink_load_options::user, "latentlink_load_options");
        auto made = std::unique_ptr<latentlink_pipeline>(
            new latentlink_pipeline{Pipeline(load(&needed(bundle, "bundle"), load_options_of(given))), {}});
        made->json = text_of_json(json_of(made->pipeline));
        out = made.release();
    });
}
const char* latentlink_pipeline_json(const latentlink_pipeline* pipeline) {
    return pipeline == nullptr ? "{}" : pipeline->json.c_str();
}
void latentlink_pipeline_cancel(latentlink_pipeline* pipeline) {
    if (pipeline != nullptr) pipeline->pipeline.cancel();
}
void latentlink_pipeline_free(latentlink_pipeline* pipeline) { delete pipeline; }

latentlink_status latentlink_latents_read(const char* path, latentlink_latents** latents, latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(latents, "latents");
        out = new latentlink_latents{Latents::load(&needed(path, "path"))};
    });
}
latentlink_status latentlink_latents_write(const latentlink_latents* latents, const char* path,
                                           latentlink_error** error) {
    return guarded(error, [&] { needed(latents, "latents").latents.save(&needed(path, "path")); });
}
latentlink_latents_view latentlink_latents_at(const latentlink_latents* latents) {
    if (latents == nullptr) return {};
    const Latents& own = latents->latents;
    latentlink_latents_view view = {};
    view.data = own.array.bytes().data();
    std::ranges::copy(own.array.shape(), view.shape);
    view.dtype = static_cast<latentlink_dtype>(own.array.dtype());
    view.space = own.space.name.c_str();
    view.signal = own.level ? own.level->signal : NAN;
    view.noise = own.level ? own.level->noise : NAN;
    return view;
}
void latentlink_latents_free(latentlink_latents* latents) { delete latents; }

latentlink_status latentlink_generate(latentlink_pipeline* pipeline, const latentlink_generate_options* options,
                                      latentlink_result** result, latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(result, "result");
        Pipeline& pipe = needed(pipeline, "pipeline").pipeline;
        const auto given = of_this_version(&needed(options, "options"), LATENTLINK_GENERATE_OPTIONS,
                                           &latentlink_generate_options::user, "latentlink_generate_options");
        OnStep on_step;
        if (given.on_step != nullptr) {
            on_step = [&](const Progress& progress) {
                latentlink_progress at{pipe, progress, {}};
                at.answer.go_on = given.on_step(&at, given.user) == 0;
                if (at.out_of_memory) throw std::bad_alloc();
                return at.answer;
            };
        }
        auto made =
            std::unique_ptr<latentlink_result>(new latentlink_result{pipe.generate(given_of(given), on_step), {}});
        made->json = text_of_json(made->result.to_json());
        out = made.release();
    });
}
latentlink_status latentlink_warm_up(latentlink_pipeline* pipeline, uint32_t width, uint32_t height,
                                     uint32_t num_images, latentlink_error** error) {
    return guarded(error, [&] {
        const auto given = [](std::uint32_t value) {
            return value == 0 ? std::nullopt
                              : std::optional(static_cast<int>(std::min<std::uint32_t>(value, INT32_MAX)));
        };
        needed(pipeline, "pipeline").pipeline.warm_up({given(width), given(height), given(num_images)});
    });
}
latentlink_progress_view latentlink_progress_at(const latentlink_progress* progress) {
    if (progress == nullptr) return {};
    const Progress& at = progress->progress;
    return {static_cast<uint32_t>(at.row), static_cast<uint32_t>(at.rows), static_cast<uint32_t>(at.step),
            static_cast<uint32_t>(at.steps), at.seconds};
}
latentlink_status latentlink_progress_preview(latentlink_progress* progress, latentlink_pictures** pictures,
                                              latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(pictures, "pictures");
        auto& at = needed(progress, "progress");
        out = new latentlink_pictures{at.pipeline.preview(at.progress.predicted())};
    });
}
void latentlink_progress_set_guidance(latentlink_progress* progress, const double* guidance, size_t count) {
    if (progress == nullptr || guidance == nullptr) return;
    try {
        progress->answer.change.guidance = numbers(guidance, count, "guidance");
    } catch (const std::bad_alloc&) {
        progress->out_of_memory = true;
    }
}

size_t latentlink_result_count(const latentlink_result* result) {
    return result == nullptr ? 0 : result->result.images.size();
}
latentlink_picture latentlink_result_picture(const latentlink_result* result, size_t number) {
    return result == nullptr ? latentlink_picture{} : view_of(result->result.images, number);
}
latentlink_latents* latentlink_result_latents(const latentlink_result* result) {
    try {
        return result == nullptr ? nullptr : new latentlink_latents{result->result.latents};
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
const char* latentlink_result_json(const latentlink_result* result) {
    return result == nullptr ? "{}" : result->json.c_str();
}
latentlink_status latentlink_result_write_png(const latentlink_result* result, size_t number, const char* path,
                                              int metadata, latentlink_error** error) {
    return guarded(error, [&] {
        const latentlink_result& made = needed(result, "result");
        const Image& image = picture_at(made, number);
        const std::span<const Record> records(&made.result.records.at(number), metadata != 0 ? 1 : 0);
        save_pictures(std::span(&image, 1), &needed(path, "path"), records);
    });
}
latentlink_status latentlink_result_png(const latentlink_result* result, size_t number, int metadata,
                                        latentlink_bytes** bytes, latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(bytes, "bytes");
        out = new latentlink_bytes{png_of(needed(result, "result"), number, metadata != 0)};
    });
}
void latentlink_result_free(latentlink_result* result) { delete result; }

const uint8_t* latentlink_bytes_data(const latentlink_bytes* bytes) {
    return bytes == nullptr ? nullptr : reinterpret_cast<const std::uint8_t*>(bytes->bytes.data());
}
size_t latentlink_bytes_size(const latentlink_bytes* bytes) { return bytes == nullptr ? 0 : bytes->bytes.size(); }
void latentlink_bytes_free(latentlink_bytes* bytes) { delete bytes; }

latentlink_status latentlink_decode(latentlink_pipeline* pipeline, const latentlink_latents* latents, int guard_off,
                                    latentlink_pictures** pictures, latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(pictures, "pictures");
        const Latents& given = needed(latents, "latents").latents;
        out = new latentlink_pictures{needed(pipeline, "pipeline").pipeline.decode(given, guard_of(guard_off))};
    });
}
latentlink_status latentlink_encode(latentlink_pipeline* pipeline, const latentlink_picture* pictures, size_t count,
                                    const uint64_t* seed, int guard_off, latentlink_latents** latents,
                                    latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(latents, "latents");
        const std::vector<Image> images = images_of(pictures, count, "pictures");
        const Json from = seed == nullptr ? Json() : Json(*seed);
        out = new latentlink_latents{needed(pipeline, "pipeline").pipeline.encode(images, from, guard_of(guard_off))};
    });
}
latentlink_status latentlink_transfer(latentlink_pipeline* source, latentlink_pipeline* destination,
                                      const latentlink_latents* latents, const latentlink_transfer_options* options,
                                      latentlink_latents** moved, double* psnr, latentlink_error** error) {
    return guarded(error, [&] {
        auto& out = needed(moved, "moved");
        const auto given =
            of_this_version(options, {}, &latentlink_transfer_options::guard_off, "latentlink_transfer_options");
        TransferOptions asked;
        if (given.width != 0) asked.width = given.width;
        if (given.height != 0) asked.height = given.height;
        asked.fit = given.fit != 0;
        TransferResult made =
            needed(source, "source")
                .pipeline.transfer_to(needed(destination, "destination").pipeline, needed(latents, "latents").latents,
                                      asked, guard_of(given.guard_off));
        if (psnr != nullptr) *psnr = made.psnr;
        out = new latentlink_latents{std::move(made.latents)};
    });
}
