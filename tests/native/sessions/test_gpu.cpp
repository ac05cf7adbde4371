// What sessions on a GPU share, over a driver whose device memory is on the host.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <thread>

#include "sessions/calls.h"
#include "sessions/fake_driver.h"
#include "sessions/gpu/cuda_session.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

const std::string X = "latent__one__c4_f8__float32__ae674288__x", Y = "latent__one__c4_f8__float32__ae674288";

// An engine that adds its input to itself, in what the fake driver takes for device memory.
class Doubler final : public CudaSession {
  public:
    explicit Doubler(Cuda& gpu) : CudaSession(gpu, "a/b/doubler", {Port::parse(X)}, {Port::parse(Y)}) {}
    ~Doubler() override { close_quietly(); }

    std::map<std::string, int> placement() const override { return {}; }
    int given_back = 0;

  protected:
    DeviceBuffers enqueue(const DeviceBuffers& feeds, const Buffers& outputs) override {
        const DeviceBuffer& from = *feeds.at(X);
        DeviceBuffers written = complete(outputs, {{Y, {from.shape(), from.dtype()}}});
        const Timing counted(*this);
        const auto* x = reinterpret_cast<const float*>(from.pointer());
        auto* y = reinterpret_cast<float*>(written.at(Y)->pointer());
        std::transform(x, x + count_of(from.shape()), y, [](float one) { return 2 * one; });
        return written;
    }
    void give_back() override { ++given_back; }
};

Array numbers(Shape shape) {
    Array made(DType::float32, std::move(shape));
    float next = 0;
    for (float& one : made.as<float>()) one = next++;
    return made;
}

bool same(const Array& a, const Array& b) {
    return a.shape() == b.shape() && std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

}  // namespace

TEST_CASE("GPU: a machine without one is told so") {
    const CudaDriver driver = fake_driver();
    fake_gpu().devices = 0;
    CHECK_THROWS_WITH_AS(Cuda{driver}, doctest::Contains("this machine has no CUDA device. Run it on"), PreflightError);
    fake_gpu().fails = "cuInit";
    fake_gpu().status = 100;
    CHECK_THROWS_WITH_AS(Cuda{driver}, doctest::Contains("no CUDA device (CUDA_ERROR_FAKE: it is not real)."),
                         PreflightError);
}

TEST_CASE("GPU: freed memory stays, and is given back before an engine is opened") {
    Cuda gpu(fake_driver());
    CHECK(fake_gpu().threshold == UINT64_MAX);
    { const Cuda::Opening held(gpu); }
    CHECK(fake_gpu().trims == 1);
}

TEST_CASE("GPU: a buffer that follows another copies only what has changed") {
    Cuda gpu(fake_driver());
    gpu.join();
    DeviceBuffer given(gpu, {4}, DType::float32), other(gpu, {4}, DType::float32), own(gpu, {4}, DType::float32);
    given.write(numbers({4}));
    other.write(numbers({4}));
    const auto copies = [&](const DeviceBuffer& from) {
        const int before = fake_gpu().copies;
        own.follow(from);
        return fake_gpu().copies - before;
    };
    CHECK(copies(given) == 1);
    CHECK(copies(given) == 0);
    given.write(numbers({4}));
    CHECK(copies(given) == 1);
    given.changed();
    CHECK(copies(given) == 1);
    CHECK(copies(other) == 1);
    CHECK(copies(given) == 1);
    gpu.leave();
}

TEST_CASE("GPU: values go to the device and back, and memory is freed with the buffer") {
    Cuda gpu(fake_driver());
    {
        Doubler session(gpu);
        for (int i = 0; i < 6; ++i) {  // more than there are pieces of pinned memory
            const BufferPtr buffer = session.upload(numbers({2, 3}));
            CHECK(same(buffer->host(), numbers({2, 3})));
        }
        CHECK(fake_gpu().memory.empty());
        CHECK(fake_gpu().pinned == 4);
        const BufferPtr large = session.upload(numbers({5 << 20}));  // 20 MiB, past the pinned memory
        CHECK(fake_gpu().pinned == 4);
        CHECK(large->host().as<float>()[(5 << 20) - 1] == static_cast<float>((5 << 20) - 1));
        CHECK_THROWS_WITH_AS(session.write(*large, numbers({2})),
                             "Received float32 of shape [2] to write into a buffer; expected float32 of shape "
                             "[5242880].",
                             UsageError);
        const BufferPtr none = session.empty({0, 4}, DType::uint8);
        CHECK(none->host().count() == 0);
    }
    CHECK(fake_gpu().memory.empty());
    CHECK(fake_gpu().pinned == 0);  // the last engine has left
    CHECK(fake_gpu().events == 0);
}

TEST_CASE("GPU: rows are gathered on the device") {
    Cuda gpu(fake_driver());
    Doubler session(gpu);
    const BufferPtr from = session.upload(numbers({2, 2}));
    const int before = fake_gpu().copies;
    const BufferPtr made = session.gather(from, std::vector<int>{1, -1, 0}, {3, 2});
    CHECK(fake_gpu().copies == before + 2);
    const Array rows = made->host();
    CHECK(std::vector<float>(rows.as<float>().begin(), rows.as<float>().end()) == std::vector<float>{2, 3, 0, 0, 0, 1});
    CHECK_THROWS_WITH_AS(session.gather(from, std::vector<int>{2}, {1, 2}),
                         "A buffer of shape [2, 2] has no rows [2] to make [1, 2] of; expected rows of equal size, -1 "
                         "to 1.",
                         UsageError);
}

TEST_CASE("GPU: a run's time is the GPU's, and is in the call's account once it was waited for") {
    Cuda gpu(fake_driver());
    Doubler session(gpu);
    Call call;
    {
        const Call::Active active(call);
        const BufferPtr made = session.run({{X, session.upload(numbers({1, 4}))}}, {{Y, nullptr}}).at(Y);
        CHECK(made->host().as<float>()[3] == 6);
        CHECK(call.account()->engines == 0);
        session.wait();
        CHECK(call.account()->engines == 0.25);
    }
    for (int i = 0; i < 70; ++i) session.run({{X, session.upload(numbers({1, 4}))}}, {{Y, nullptr}});
    CHECK(Clock::engines() > 0);  // the oldest were added up
    session.wait();
    CHECK(fake_gpu().events == 4);  // of the pinned memory
}

TEST_CASE("GPU: buffers that an engine does not take are refused") {
    Cuda gpu(fake_driver());
    Doubler session(gpu);
    const BufferPtr given = session.upload(numbers({1, 4}));
    CHECK_THROWS_WITH_AS(session.run({{"z", given}}, {{Y, nullptr}}),
                         ("The engine a/b/doubler reads " + X + ", but received z.").c_str(), BundleError);
    const BufferPtr whole = session.empty({1, 4}, DType::int32);
    CHECK_THROWS_WITH_AS(session.run({{X, whole}}, {{Y, nullptr}}),
                         ("The engine a/b/doubler reads " + X + " as float32, but received int32.").c_str(),
                         UsageError);
    CHECK_THROWS_WITH_AS(
        session.run({{X, given}}, {{Y, session.empty({2, 4}, DType::float32)}}),
        ("The engine a/b/doubler writes " + Y + " of shape [1, 4], but received a buffer of shape [2, 4] for it.")
            .c_str(),
        UsageError);
    CHECK_THROWS_AS(session.run({{X, given}}, {{Y, nullptr}, {"q", nullptr}}), BundleError);
}

TEST_CASE("GPU: want of memory is told apart from failures of the device") {
    Cuda gpu(fake_driver());
    Doubler session(gpu);
    const BufferPtr given = session.upload(numbers({1, 4}));
    fake_gpu().fails = "cuMemAllocAsync";
    fake_gpu().status = CUDA_OUT_OF_MEMORY;
    CHECK_THROWS_AS(session.upload(numbers({1, 4})), std::bad_alloc);
    fake_gpu().status = 700;
    CHECK_THROWS_WITH_AS(
        session.upload(numbers({1, 4})),
        "The GPU failed: cuMemAllocAsync reports CUDA_ERROR_FAKE: it is not real. Restart the program; "
        "if it happens again, look at the driver's log.",
        MachineError);
    fake_gpu().fails = "cuStreamSynchronize";
    CHECK_THROWS_AS(given->host(), MachineError);
    session.close();  // what failed was told
    CHECK(session.given_back == 1);
    fake_gpu().fails = "";
    Doubler next(gpu);
    next.upload(numbers({1, 4}));
    next.close();
    CHECK(fake_gpu().pinned == 0);  // what the failure left
}

TEST_CASE("GPU: an engine gives back what it holds once, and is refused from then on") {
    Cuda gpu(fake_driver());
    Doubler session(gpu);
    const BufferPtr given = session.upload(numbers({1, 4}));
    session.close();
    session.close();
    CHECK(session.given_back == 1);
    CHECK_THROWS_WITH_AS(session.run({{X, given}}, {{Y, nullptr}}), doctest::Contains("a/b/doubler is closed"),
                         UsageError);
    CHECK(same(given->host(), numbers({1, 4})));
    CHECK(same(session.upload(numbers({3}))->host(), numbers({3})));
}

TEST_CASE("GPU: work is captured, launched and released, and what cannot be captured leaves nothing") {
    Cuda gpu(fake_driver());
    const CudaGraphExec graph = gpu.capture([] { return fake_gpu().capturing; });
    CHECK(graph != nullptr);
    CHECK(fake_gpu().graphs == 1);
    gpu.launch(graph);
    CHECK(fake_gpu().launches == 1);
    gpu.destroy(graph);
    CHECK(gpu.capture([] { return false; }) == nullptr);
    CHECK_THROWS_AS(gpu.capture([]() -> bool { throw BundleError("no"); }), BundleError);
    CHECK_FALSE(fake_gpu().capturing);
    CHECK(fake_gpu().graphs == 0);
}

TEST_CASE("GPU: activations are one memory, which grows and goes with the last engine") {
    Cuda gpu(fake_driver());
    gpu.join();
    const CudaPointer first = gpu.activations(100).pointer;
    CHECK(gpu.activations(50).pointer == first);
    CHECK(gpu.activations(200).size == 200);
    CHECK(fake_gpu().memory.size() == 1);
    gpu.leave();
    CHECK(fake_gpu().memory.empty());
}

TEST_CASE("GPU: eight threads use one engine, and each gets its own results") {
    Cuda gpu(fake_driver());
    Doubler session(gpu);
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            for (int turn = 0; turn < 20; ++turn) {
                const BufferPtr given = session.upload(numbers({1 + i, 4}));
                const Array made = session.run({{X, given}}, {{Y, nullptr}}).at(Y)->host();
                right += made.as<float>().back() == 2.0f * static_cast<float>(4 * (1 + i) - 1);
            }
            session.wait();
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(right == 160);
    session.close();
    CHECK(fake_gpu().memory.empty());
    CHECK(fake_gpu().events == 0);
}
