// Threads that share a pipeline, and pipelines of their own: each call returns what it returns alone.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "latentlink.hpp"
#include "vocabulary/bundle_names.h"

using latentlink::GenerateOptions;
using latentlink::Latents;
using latentlink::LoadOptions;
using latentlink::Pipeline;
using latentlink::Result;

namespace {

constexpr int THREADS = 8;

const std::string PROMPTS[] = {"a red circle on a blue background", "(a green square:1.3)", "a yellow cross", ""};

// A run of its own for each thread: sizes, samplers, seeds, lengths and guidance differ.
GenerateOptions options_of(int thread) {
    static const std::string samplers[] = {"ddim", "euler_a", "heun", "dpmpp_2m", "unipc"};
    GenerateOptions options;
    options.seeds = {static_cast<std::uint64_t>(thread) * 100};
    options.steps = {static_cast<std::uint32_t>(2 + thread % 3)};
    options.samplers = {samplers[thread % 5]};
    options.guidance = {thread % 4 == 3 ? 1.0 : 4.0 + thread};
    options.width = thread % 2 == 0 ? 64 : 48;
    options.num_images = thread % 3 == 2 ? 2 : 1;
    options.guard = false;  // so few steps leave noise
    return options;
}

Result run_of(const Pipeline& pipeline, int thread) {
    return pipeline.generate(PROMPTS[thread % 4], options_of(thread));
}

// Latents and pictures of a result, as bytes.
std::vector<std::uint8_t> bytes_of(const Result& result) {
    const Latents latents = result.latents();
    const latentlink_latents_view view = latents.view();
    std::size_t count = sizeof(float);
    for (const std::int64_t side : view.shape) count *= static_cast<std::size_t>(side);
    const auto* first = static_cast<const std::uint8_t*>(view.data);
    std::vector<std::uint8_t> bytes(first, first + count);
    for (std::size_t number = 0; number < result.size(); ++number) {
        const auto pixels = result[number].pixels;
        bytes.insert(bytes.end(), pixels.begin(), pixels.end());
    }
    return bytes;
}

Pipeline open_demo() { return Pipeline(latentlink::bundle_path("demo").string(), {.threads = 1, .verify = false}); }

// Run `work` in eight threads at once.
template <typename Work>
void in_threads(Work work) {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < THREADS; ++thread) threads.emplace_back(work, thread);
    for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("eight threads share a pipeline, and each gets what it gets alone") {
    const Pipeline pipeline = open_demo();
    std::vector<std::vector<std::uint8_t>> alone, together(THREADS), again(THREADS);
    for (int thread = 0; thread < THREADS; ++thread) alone.push_back(bytes_of(run_of(pipeline, thread)));
    in_threads([&](int thread) {
        const auto place = static_cast<std::size_t>(thread);
        together[place] = bytes_of(run_of(pipeline, thread));
        again[place] = bytes_of(run_of(pipeline, thread));
    });
    CHECK(together == alone);
    CHECK(again == alone);
}

TEST_CASE("eight threads open, use and close a pipeline each") {
    std::vector<std::vector<std::uint8_t>> alone, together(THREADS);
    {
        const Pipeline pipeline = open_demo();
        for (int thread = 0; thread < THREADS; ++thread) alone.push_back(bytes_of(run_of(pipeline, thread)));
    }
    in_threads([&](int thread) {
        const Pipeline own = open_demo();
        together[static_cast<std::size_t>(thread)] = bytes_of(run_of(own, thread));
    });
    CHECK(together == alone);
}

TEST_CASE("latents and results are read by several threads") {
    const Pipeline pipeline = open_demo();
    const Result result = run_of(pipeline, 0);
    const Latents latents = result.latents();
    const auto expected = bytes_of(result);
    std::atomic<int> equal = 0;
    in_threads([&](int) {
        if (bytes_of(result) == expected && result.json() == result.json() && !result.png().empty() &&
            pipeline.decode(latents, false)[0].width == 64) {
            ++equal;
        }
    });
    CHECK(equal == THREADS);
}

TEST_CASE("what another thread cancels ends all calls, and none that follows") {
    const Pipeline pipeline = open_demo();
    std::atomic<int> running = 0, interrupted = 0;
    std::thread canceller([&] {
        while (running < THREADS) std::this_thread::yield();
        pipeline.cancel();
    });
    in_threads([&](int thread) {
        GenerateOptions options = options_of(thread);
        options.samplers = {"euler_a"};
        options.steps = {1000};
        bool counted = false;
        options.on_step = [&](const latentlink::Progress&) {
            if (!counted) ++running;
            counted = true;
            return true;
        };
        try {
            pipeline.generate(PROMPTS[0], options);
        } catch (const latentlink::Failure& failure) {
            if (failure.status() == LATENTLINK_INTERRUPTED) ++interrupted;
        }
    });
    canceller.join();
    CHECK(interrupted == THREADS);
    CHECK(run_of(pipeline, 0).size() == 1);
}

TEST_CASE("what a callback throws ends its own run alone") {
    const Pipeline pipeline = open_demo();
    const auto expected = bytes_of(run_of(pipeline, 1));
    std::atomic<int> thrown = 0, equal = 0;
    in_threads([&](int thread) {
        if (thread % 2 == 1) {
            if (bytes_of(run_of(pipeline, 1)) == expected) ++equal;
            return;
        }
        GenerateOptions options = options_of(thread);
        options.on_step = [](const latentlink::Progress&) -> bool { throw std::out_of_range("enough"); };
        try {
            pipeline.generate(PROMPTS[0], options);
        } catch (const std::out_of_range&) {
            ++thrown;
        }
    });
    CHECK(thrown == THREADS / 2);
    CHECK(equal == THREADS / 2);
}

TEST_CASE("cancelling either pipeline of a transfer ends it") {
    const Pipeline source = open_demo(), destination(latentlink::bundle_path("demo-b").string(), {.verify = false});
    GenerateOptions large = options_of(0);
    large.width = large.height = 512;
    large.steps = {1};
    large.decode = false;
    const Latents latents = source.generate(PROMPTS[0], large).latents();
    for (const Pipeline* cancelled : {&source, &destination}) {
        std::atomic<bool> ended = false;
        std::thread canceller([&] {
            while (!ended) {
                cancelled->cancel();
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
        CHECK_THROWS_AS(source.transfer(latents, destination, {.guard = false}), latentlink::Failure);
        ended = true;
        canceller.join();
    }
}

TEST_CASE("a list of prompts in braces makes a picture of each") {
    const Pipeline pipeline = open_demo();
    CHECK(pipeline.generate({"a red circle", "a green square"}, {.steps = {2}, .guard = false}).size() == 2);
}

TEST_CASE("options of a wrong size, and pictures that no memory holds, are refused") {
    const Pipeline pipeline = open_demo();
    const std::uint8_t pixel[3] = {};
    latentlink_picture huge = {pixel, UINT32_MAX, UINT32_MAX};
    const char* prompts[] = {"a", nullptr};
    latentlink_generate_options options = LATENTLINK_GENERATE_OPTIONS;
    options.prompts = prompts;
    options.prompt_count = 1;
    latentlink_pipeline* opened = nullptr;
    const std::string demo = latentlink::bundle_path("demo").string();
    REQUIRE(latentlink_load(demo.c_str(), nullptr, &opened, nullptr) == LATENTLINK_DONE);
    const auto said = [&] {
        latentlink_result* result = nullptr;
        latentlink_error* error = nullptr;
        CHECK(latentlink_generate(opened, &options, &result, &error) == LATENTLINK_USAGE);
        const std::string message = latentlink_error_message(error);
        latentlink_error_free(error);
        return message;
    };
    options.init_images = &huge;
    options.init_image_count = 1;
    CHECK(said().find("4294967295x4294967295") != std::string::npos);
    options.init_image_count = 0;
    options.prompt_count = 2;
    CHECK(said().find("one of prompts is NULL") != std::string::npos);
    options.size = 9;
    CHECK(said().find("latentlink_generate_options.size is 9; expected") != std::string::npos);
    latentlink_pipeline_free(opened);
}
