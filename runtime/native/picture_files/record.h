// How a picture was made, as a value and as the JSON that its file carries (docs/pictures.md).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vocabulary/json.h"

namespace latentlink {

struct Request;

// Version of the JSON. Readers ignore keys that they do not know; a change of meaning makes another version.
inline constexpr int RECORD_FORMAT = 1;

// Version of latentlink, which is one for both runtimes.
inline constexpr std::string_view VERSION = "0.1.0";

// The options of a generation that a record holds.
inline constexpr std::array<std::string_view, 18> SETTINGS = {"negative_prompt",
                                                              "seed",
                                                              "steps",
                                                              "guidance",
                                                              "guidance_interval",
                                                              "step_cache",
                                                              "sampler",
                                                              "spacing",
                                                              "sigmas",
                                                              "shift",
                                                              "eta",
                                                              "width",
                                                              "height",
                                                              "noise",
                                                              "strength",
                                                              "denoising_start",
                                                              "denoising_end",
                                                              "conditions"};

// The model that makes pictures.
struct Origin {
    std::string name;    // in the bundle's manifest
    std::string family;  // its family
    // SHA-256 of the manifest, which stands for all files of the bundle; none if these were not checked.
    std::optional<std::string> manifest = {};
    // By component that another bundle gave, the SHA-256 of that bundle's manifest.
    std::vector<std::pair<std::string, std::optional<std::string>>> replaced = {};
    // By component, the target and the precision of its engine.
    std::vector<std::pair<std::string, std::pair<std::string, std::string>>> engines = {};

    Json to_json() const;

    bool operator==(const Origin&) const = default;
};

// The pictures whose noise was drawn together from one seed (`batch_seed`).
struct Batch {
    int number;                                                // the picture's own number, from 1
    std::vector<std::string> prompts;                          // what each prompt of the call was
    std::vector<std::optional<std::string>> negative_prompts;  // one for each prompt; none is no prompt at all
    std::vector<double> guidance;                              // guidance scale of every picture

    // Number of pictures; those of one prompt stand together.
    int count() const { return static_cast<int>(guidance.size()); }

    Json to_json() const;

    bool operator==(const Batch&) const = default;
};

// By kind (`image`, `mask`, `latents`), the SHA-256 of the pixels that a run began with: of a picture's RGB bytes, of
// a mask's grey bytes, of latents as float32.
using StartedFrom = std::vector<std::pair<std::string, std::vector<std::string>>>;

// How one picture was made.
struct Record {
    std::string prompt;
    // Options of a generation by name, in the order of `SETTINGS`, every default resolved; an option that does nothing
    // is left out. An infinite noise level of `guidance_interval` is an infinite number.
    Json options;
    Origin origin;
    std::optional<Batch> batch = {};  // the pictures that were drawn with it from one seed
    StartedFrom started_from = {};
    std::string version = std::string(VERSION);
    std::vector<Record> earlier = {};  // of a chain: the stages before the one that made the picture, in their order

    // The record as plain values; an infinite noise level is the text "inf".
    Json to_json() const;

    // The record as JSON text on one line, equal for equal records; `<`, `>` and `&` are written as escapes.
    std::string to_text() const;

    bool operator==(const Record&) const = default;
};

// The record of a picture of one request among those of a call.
Record record_of(const Request& request, std::span<const Request> requests, const Origin& origin,
                 const StartedFrom& started_from);

}  // namespace latentlink
