// What the handles of the C interface are.
#pragma once

#include <string>
#include <vector>

#include "latentlink.h"
#include "pipeline.h"

struct latentlink_error {
    latentlink::Status status;
    std::string message, remedy, json;
};

struct latentlink_pictures {
    std::vector<latentlink::Image> images;
};

struct latentlink_latents {
    latentlink::Latents latents;
};

struct latentlink_pipeline {
    latentlink::Pipeline pipeline;
    std::string json;
};

struct latentlink_result {
    latentlink::Result result;
    std::string json;
};

struct latentlink_bytes {
    std::string bytes;
};

struct latentlink_progress {
    latentlink::Pipeline& pipeline;
    const latentlink::Progress& progress;
    latentlink::Answer answer;
    bool out_of_memory = false;  // of what the callback asked for
};
