/* LatentLink's C interface: open a bundle, and make pictures with it.
 *
 * Handles are opaque. Text is UTF-8, and ends with a zero byte. Every function that can fail returns a status, which is
 * the exit status of the command line, and gives an error object if the caller asks for one. No exception leaves this
 * interface, and it keeps no global state.
 *
 * Threads: each function says what threads may share. "Any thread" means that several may call it at once on one
 * handle. What is freed may not be in use by another thread. A process that was forked opens its own pipelines.
 *
 * Structures of options begin with their size, so that later versions can add fields: set one to zero, then its `size`
 * to its sizeof. A field of zero (or NULL, and NAN for numbers that may be zero: see LATENTLINK_GENERATE_OPTIONS) is
 * the default.
 */
#ifndef LATENTLINK_H
#define LATENTLINK_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && !defined(LATENTLINK_STATIC)
#define LATENTLINK_API __declspec(dllimport)
#elif defined(__GNUC__)
#define LATENTLINK_API __attribute__((visibility("default")))
#else
#define LATENTLINK_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum latentlink_status {
    LATENTLINK_DONE = 0,
    LATENTLINK_FAILED = 1,                /* the machine: disk full, permission denied, out of memory */
    LATENTLINK_USAGE = 2,                 /* an argument is not what the function accepts */
    LATENTLINK_LINK_REFUSED = 3,          /* what one engine writes is not what the other reads */
    LATENTLINK_BUNDLE_DAMAGED = 4,        /* a bundle is damaged, or contradicts its engines */
    LATENTLINK_ENGINE_NOT_VALID_HERE = 5, /* no engine of the bundle is valid on this machine */
    LATENTLINK_OUTPUT_FAILED_GUARD = 6,   /* a result is no valid latent or picture */
    LATENTLINK_INTERRUPTED = 130          /* the caller cancelled the run */
} latentlink_status;

typedef struct latentlink_error latentlink_error;       /* what went wrong; any thread */
typedef struct latentlink_pipeline latentlink_pipeline; /* a linked bundle; any thread */
typedef struct latentlink_latents latentlink_latents;   /* latents and their space; any thread, as it never changes */
typedef struct latentlink_result latentlink_result;     /* what a generation made; any thread, as it never changes */
typedef struct latentlink_pictures latentlink_pictures; /* pictures of one size; any thread, as they never change */
typedef struct latentlink_bytes latentlink_bytes;       /* a file's content; any thread, as it never changes */
typedef struct latentlink_progress latentlink_progress; /* a run between two rows; valid within its callback only */

/* --- The library ------------------------------------------------------------------------------------------------- */

/* Version, such as "0.1.0". Any thread. */
LATENTLINK_API const char* latentlink_version(void);

/* Targets that this library was built for, with ", " between them: "ort-cpu, openvino-cpu". Any thread. */
LATENTLINK_API const char* latentlink_targets(void);

/* --- Errors ------------------------------------------------------------------------------------------------------ */

/* Functions that can fail take `latentlink_error** error`, which may be NULL. They set it to an error that the caller
 * frees, or to NULL if they succeed. */

LATENTLINK_API latentlink_status latentlink_error_status(const latentlink_error* error);

/* What was received and what was expected, in one sentence; valid until the error is freed. */
LATENTLINK_API const char* latentlink_error_message(const latentlink_error* error);

/* What to do about it; "" if there is nothing to say. Valid until the error is freed. */
LATENTLINK_API const char* latentlink_error_remedy(const latentlink_error* error);

/* All of it as a JSON object: status, message, remedy, and of a failed guard stage, numbers, cause and unusual
 * settings. Valid until the error is freed. */
LATENTLINK_API const char* latentlink_error_json(const latentlink_error* error);

LATENTLINK_API void latentlink_error_free(latentlink_error* error); /* NULL is harmless */

/* --- Pictures ---------------------------------------------------------------------------------------------------- */

/* A view of a picture: 8-bit sRGB, `height` rows of `width` pixels of three bytes, row after row without padding. */
typedef struct latentlink_picture {
    const uint8_t* pixels;
    uint32_t width, height;
} latentlink_picture;

/* Read a PNG or JPEG file as RGB, turned as its EXIF data say. */
LATENTLINK_API latentlink_status latentlink_pictures_read(const char* path, latentlink_pictures** pictures,
                                                          latentlink_error** error);
LATENTLINK_API size_t latentlink_pictures_count(const latentlink_pictures* pictures);

/* Picture `number`, from 0; `pixels` is NULL if there is none. Valid until the pictures are freed. */
LATENTLINK_API latentlink_picture latentlink_pictures_at(const latentlink_pictures* pictures, size_t number);
LATENTLINK_API void latentlink_pictures_free(latentlink_pictures* pictures); /* NULL is harmless */

/* --- Opening a bundle -------------------------------------------------------------------------------------------- */

typedef struct latentlink_replacement {
    const char* component; /* such as "vae_decoder" */
    const char* bundle;    /* the bundle to take it from */
} latentlink_replacement;

typedef struct latentlink_load_options {
    size_t size;        /* sizeof(latentlink_load_options) */
    const char* target; /* such as "ort-cpu"; NULL: the first engine of each component that is valid on this machine */
    const latentlink_replacement* replace; /* components to take from other bundles */
    size_t replace_count;
    uint32_t threads;       /* of one engine's run; 0: all processors that this process may use */
    int32_t verify;         /* engines prove what they compute. 0: once for each bundle on this machine; 1: now;
                               -1: never */
    uint64_t vae_memory;    /* bytes that decoding or encoding a picture may take; 0: no limit */
    uint64_t engine_memory; /* bytes that the files of open engines may have; 0: no limit */
    const char* previews;   /* bundle whose decoder makes previews; NULL: the pipeline's own decoder */
    void (*on_progress)(uint64_t done, uint64_t total, void* user); /* bytes of files checked; may be NULL */
    void* user;
} latentlink_load_options;

/* Open a bundle and link its engines. `options` may be NULL. Any thread. */
LATENTLINK_API latentlink_status latentlink_load(const char* bundle, const latentlink_load_options* options,
                                                 latentlink_pipeline** pipeline, latentlink_error** error);

/* What the pipeline is, as a JSON object: name, family, space, defaults, conditions, engines that run and those that
 * were skipped. Valid until the pipeline is freed. */
LATENTLINK_API const char* latentlink_pipeline_json(const latentlink_pipeline* pipeline);

/* End all calls of other threads on this pipeline: each returns LATENTLINK_INTERRUPTED at its next engine run at the
 * latest. Later calls are not affected. Any thread. */
LATENTLINK_API void latentlink_pipeline_cancel(latentlink_pipeline* pipeline);

/* Close its engines and free it; no other thread may be in a call on it. NULL is harmless. */
LATENTLINK_API void latentlink_pipeline_free(latentlink_pipeline* pipeline);

/* --- Latents ----------------------------------------------------------------------------------------------------- */

typedef enum latentlink_dtype {
    LATENTLINK_FLOAT32 = 0,
    LATENTLINK_FLOAT16 = 1,
    LATENTLINK_BFLOAT16 = 2
} latentlink_dtype;

/* A view of latents: [batch, channels, height, width], height and width in latent elements. */
typedef struct latentlink_latents_view {
    const void* data;
    int64_t shape[4];
    latentlink_dtype dtype;
    const char* space;    /* name of the latent space */
    double signal, noise; /* the level: x is signal*z + noise*eps; 1 and 0 of finished latents */
} latentlink_latents_view;

/* Read a latents file (safetensors with the symbol in its metadata), and write one. Any thread. */
LATENTLINK_API latentlink_status latentlink_latents_read(const char* path, latentlink_latents** latents,
                                                         latentlink_error** error);
LATENTLINK_API latentlink_status latentlink_latents_write(const latentlink_latents* latents, const char* path,
                                                          latentlink_error** error);
LATENTLINK_API latentlink_latents_view latentlink_latents_at(const latentlink_latents* latents);
LATENTLINK_API void latentlink_latents_free(latentlink_latents* latents); /* NULL is harmless */

/* --- Making pictures --------------------------------------------------------------------------------------------- */

/* Numbers of a condition, such as original_size. */
typedef struct latentlink_condition {
    const char* name;
    const double* numbers;
    size_t count;
} latentlink_condition;

/* Called after every row, in the thread that generates. Returning 0 goes on; any other value cancels. */
typedef int (*latentlink_on_step)(latentlink_progress* progress, void* user);

/* The options of a generation; docs/prompts.md, docs/samplers.md. "Several" options take one value for all pictures or
 * one for each (negative prompts: one for each prompt). */
typedef struct latentlink_generate_options {
    size_t size; /* sizeof(latentlink_generate_options) */
    const char* const* prompts;
    size_t prompt_count;
    const char* const* negative_prompts; /* none: the bundle's, an empty prompt or no prompt */
    size_t negative_prompt_count;
    const uint64_t* seeds; /* none: random ones, which the result names; one: of the first picture, others follow it */
    size_t seed_count;
    const uint32_t* steps;
    size_t steps_count;
    const double* guidance;
    size_t guidance_count;
    const char* const* samplers;
    size_t sampler_count;
    uint32_t num_images;    /* per prompt */
    uint32_t width, height; /* pixels */
    double guidance_low;    /* noise levels between which guidance is applied; both or neither */
    double guidance_high;
    uint32_t step_cache;                   /* the whole denoiser runs on every n-th step; 1: on every step */
    const char* spacing;                   /* "leading", "linspace", "trailing" */
    const char* sigmas;                    /* "karras", "exponential", "beta" */
    const char* noise;                     /* "torch", "philox" */
    double shift;                          /* of a flow-matching model's levels */
    double eta;                            /* share of fresh noise, 0 to 1 */
    double strength;                       /* share of the steps that run from a picture or latents, 0 to 1 */
    double denoising_start;                /* share of the run that the latents have completed, 0 to 1 */
    double denoising_end;                  /* share of the run after which to stop, 0 to 1 */
    int32_t batch_seed;                    /* 1: the noise of all pictures from one generator, as diffusers with one */
    int32_t guard_off;                     /* 1: also return what is not finite, out of range, flat or noise */
    int32_t latents_only;                  /* 1: the latents are not decoded */
    const latentlink_picture* init_images; /* to start from: one, one for each prompt, or one for each picture */
    size_t init_image_count;
    const latentlink_picture* masks; /* over them: white where to paint, black where to keep */
    size_t mask_count;
    const latentlink_latents* init_latents; /* to start from, in the place of a picture */
    const latentlink_condition* conditions;
    size_t condition_count;
    latentlink_on_step on_step; /* may be NULL */
    void* user;
} latentlink_generate_options;

/* Options that are all default: latentlink_generate_options options = LATENTLINK_GENERATE_OPTIONS; */
#define LATENTLINK_GENERATE_OPTIONS                                                                                   \
    {                                                                                                                 \
        sizeof(latentlink_generate_options), NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, 0, 0, 0, NAN, NAN, \
            0, NULL, NULL, NULL, NAN, NAN, NAN, NAN, NAN, 0, 0, 0, NULL, 0, NULL, 0, NULL, NULL, 0, NULL, NULL        \
    }

/* Make pictures. Any thread: each call returns what it would return alone. */
LATENTLINK_API latentlink_status latentlink_generate(latentlink_pipeline* pipeline,
                                                     const latentlink_generate_options* options,
                                                     latentlink_result** result, latentlink_error** error);

/* Run every engine once, so that the first picture of this size is as fast as later ones; 0: the default. Any thread.
 */
LATENTLINK_API latentlink_status latentlink_warm_up(latentlink_pipeline* pipeline, uint32_t width, uint32_t height,
                                                    uint32_t num_images, latentlink_error** error);

/* Progress, within its callback: rows of the sampler's table and steps that are done, and seconds since the first. */
typedef struct latentlink_progress_view {
    uint32_t row, rows;   /* 1 to rows; a two-call solver has two rows a step */
    uint32_t step, steps; /* 1 to steps */
    double seconds;
} latentlink_progress_view;

LATENTLINK_API latentlink_progress_view latentlink_progress_at(const latentlink_progress* progress);

/* The pictures that this row predicts, by the pipeline's decoder for previews. */
LATENTLINK_API latentlink_status latentlink_progress_preview(latentlink_progress* progress,
                                                             latentlink_pictures** pictures, latentlink_error** error);

/* The guidance from the next row on; one number, or one for each picture. What cannot be changed ends the run. */
LATENTLINK_API void latentlink_progress_set_guidance(latentlink_progress* progress, const double* guidance,
                                                     size_t count);

/* Pictures, one for each prompt and image of it, those of one prompt together; none with latents_only. They belong to
 * the result, and are valid until it is freed. */
LATENTLINK_API size_t latentlink_result_count(const latentlink_result* result);
LATENTLINK_API latentlink_picture latentlink_result_picture(const latentlink_result* result, size_t number);

/* The latents; freed by the caller. */
LATENTLINK_API latentlink_latents* latentlink_result_latents(const latentlink_result* result);

/* What was made, as a JSON object: for each picture the request with every default resolved; seconds by stage; passes;
 * what overflowed and was made again. Valid until the result is freed. */
LATENTLINK_API const char* latentlink_result_json(const latentlink_result* result);

/* Write picture `number` as a PNG file, or give its bytes; `metadata`: whether it says how the picture was made. */
LATENTLINK_API latentlink_status latentlink_result_write_png(const latentlink_result* result, size_t number,
                                                             const char* path, int metadata, latentlink_error** error);
LATENTLINK_API latentlink_status latentlink_result_png(const latentlink_result* result, size_t number, int metadata,
                                                       latentlink_bytes** bytes, latentlink_error** error);
LATENTLINK_API void latentlink_result_free(latentlink_result* result); /* NULL is harmless */

LATENTLINK_API const uint8_t* latentlink_bytes_data(const latentlink_bytes* bytes);
LATENTLINK_API size_t latentlink_bytes_size(const latentlink_bytes* bytes);
LATENTLINK_API void latentlink_bytes_free(latentlink_bytes* bytes); /* NULL is harmless */

/* --- Pictures and latents ---------------------------------------------------------------------------------------- */

/* Decode latents of this pipeline's space. Any thread. */
LATENTLINK_API latentlink_status latentlink_decode(latentlink_pipeline* pipeline, const latentlink_latents* latents,
                                                   int guard_off, latentlink_pictures** pictures,
                                                   latentlink_error** error);

/* Encode pictures of one size, whose sides are multiples of the space's downscale. With `seed`, the posterior is
 * sampled; NULL takes its mode. Any thread. */
LATENTLINK_API latentlink_status latentlink_encode(latentlink_pipeline* pipeline, const latentlink_picture* pictures,
                                                   size_t count, const uint64_t* seed, int guard_off,
                                                   latentlink_latents** latents, latentlink_error** error);

typedef struct latentlink_transfer_options {
    size_t size;            /* sizeof(latentlink_transfer_options) */
    uint32_t width, height; /* of the pictures to encode, in pixels; 0: as they are, or by the proportions */
    int32_t fit;            /* 1: the nearest size that the destination's engines accept */
    int32_t guard_off;      /* 1: also pass on what is not finite, out of range, flat or noise */
} latentlink_transfer_options;

/* Move latents to another model's space: decode with one, encode with the other. `options` may be NULL. `psnr`, which
 * may be NULL, is the round-trip loss of the pictures in dB; infinite if nothing was decoded. Any thread. */
LATENTLINK_API latentlink_status latentlink_transfer(latentlink_pipeline* source, latentlink_pipeline* destination,
                                                     const latentlink_latents* latents,
                                                     const latentlink_transfer_options* options,
                                                     latentlink_latents** moved, double* psnr,
                                                     latentlink_error** error);

#ifdef __cplusplus
}
#endif

#endif
