// A generation with every default resolved and every value checked: one request a picture.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bundle/sampling.h"
#include "request/checks.h"
#include "samplers/schedules/arrays.h"
#include "samplers/schedules/schedule.h"
#include "samplers/solvers/table.h"

namespace latentlink {

// By name of a condition, the numbers of prompts and those of unconditional rows.
using RequestConditions = std::map<std::string, std::pair<Numbers, Numbers>, std::less<>>;

// What one picture was made with. A run with these values draws the same picture again, alone; only with `batch_seed`
// it takes the whole batch.
struct Request {
    std::string prompt;                          // what to draw
    std::optional<std::string> negative_prompt;  // what guidance compares with; none: an embedding of zeros
    Seed seed;                                   // of its noise, or of the noise of the whole batch
    bool batch_seed = false;  // whether the noise of all pictures of the call was drawn from this one seed
    int number = 1;           // of the picture in its call, from 1
    int count = 1;            // of pictures in the call
    int steps = 1;            // of a whole run
    double guidance = 1;
    std::optional<Interval> guidance_interval;  // noise levels between which guidance is applied; none: everywhere
    int step_cache = 1;                         // the whole denoiser ran on every n-th step
    std::string sampler;                        // its own name
    std::optional<std::string> spacing;         // of the timesteps; none is the sampler's
    std::optional<std::string> sigmas;          // spacing of the noise levels; none is the training schedule's
    std::optional<double> shift;                // of a flow-matching model's noise levels; none is the model's
    std::optional<double> eta;                  // share of fresh noise; none is the sampler's
    int width = 0, height = 0;                  // pixels
    std::string noise = "torch";                // the generator, a name of NOISES
    double strength = 1;                        // share of the steps that ran
    std::optional<double> denoising_start;      // share of the run that was done before
    std::optional<double> denoising_end;        // share of the run after which it stopped
    RequestConditions conditions;
    std::shared_ptr<const Schedule> schedule;  // the training schedule of the model, shared by a call's requests

    // The sampler's rows for this run.
    // Throws UsageError: the sampler does not accept these settings.
    SamplerTable table() const;
};

// What `resolve` knows of a run beside its options.
struct RunFacts {
    std::optional<double> default_strength = {};  // if none is requested; none is 1
    bool shallow = false;                         // whether there is a shallow denoiser
};

// Fill in the bundle's defaults and check every value; the pictures of one prompt stand together. `prompt` is a text or
// a list of texts, `options` an object of values by the names of `options()`; those for inputs are not read.
// Throws UsageError: a value is not of its kind, or out of range, or there is no such option.
std::vector<Request> resolve(const Sampling& defaults, const Json& prompt, const Json& options,
                             const RunFacts& facts = {});

// Check that a bundle's own settings make a run. The format gives a training schedule no meaning; the samplers do.
// Checked when a bundle is opened, so that what is wrong with the bundle is not reported as a mistake in a request.
// Throws BundleError: a constant of the schedule or a default is not one that a run can have.
void check_sampling(const Sampling& defaults);

}  // namespace latentlink
