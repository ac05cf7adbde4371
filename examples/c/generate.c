/* Draw a picture with LatentLink's C interface: generate BUNDLE PROMPT OUT.png */
#include <latentlink.h>
#include <stdio.h>

static int report(latentlink_error* error) {
    const int status = latentlink_error_status(error);
    fprintf(stderr, "%s %s\n", latentlink_error_message(error), latentlink_error_remedy(error));
    latentlink_error_free(error);
    return status;
}

static int on_step(latentlink_progress* progress, void* user) {
    const latentlink_progress_view at = latentlink_progress_at(progress);
    (void)user;
    printf("step %u of %u, %.1f s\n", at.step, at.steps, at.seconds);
    return 0; /* any other value cancels */
}

int main(int count, char** words) {
    if (count != 4) {
        fprintf(stderr, "Usage: %s BUNDLE PROMPT OUT.png\n", words[0]);
        return LATENTLINK_USAGE;
    }
    latentlink_error* error = NULL;
    latentlink_pipeline* pipeline = NULL;
    if (latentlink_load(words[1], NULL, &pipeline, &error) != LATENTLINK_DONE) return report(error);

    const char* prompts[] = {words[2]};
    const uint64_t seeds[] = {7};
    latentlink_generate_options options = LATENTLINK_GENERATE_OPTIONS;
    options.prompts = prompts;
    options.prompt_count = 1;
    options.seeds = seeds;
    options.seed_count = 1;
    options.on_step = on_step;

    int status = LATENTLINK_DONE;
    latentlink_result* result = NULL;
    if (latentlink_generate(pipeline, &options, &result, &error) != LATENTLINK_DONE ||
        latentlink_result_write_png(result, 0, words[3], 1, &error) != LATENTLINK_DONE) {
        status = report(error);
    }
    latentlink_result_free(result);
    latentlink_pipeline_free(pipeline);
    return status;
}
