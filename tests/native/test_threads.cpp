// Threads that share a pipeline, and pipelines of their own: each call returns what it returns alone.

#include <doctest/doctest.h>

#include <atomic>
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
