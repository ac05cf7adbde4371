// What all sessions share: calls, time, ports read back, and what an engine is refused for before it is opened.

#include <doctest/doctest.h>

#include <cstring>
#include <thread>

#include "sessions/backends.h"
#include "sessions/calls.h"
#include "sessions/host_session.h"
#include "sessions/readback.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

constexpr std::string_view NAME = "latent__one__c4_f8__float32__ae674288";

// A session that takes a while, to see who waits for whom.
class Slow final : public HostSession {
  public:
    Slow() : HostSession("a/b/slow") {}
    ~Slow() override { close_quietly(); }

    const std::vector<Port>& inputs() const override { return none_; }
    const std::vector<Port>& outputs() const override { return none_; }
    std::map<std::string, int> placement() const override { return {}; }

    std::atomic<int> running = 0, runs = 0, released = 0;

  protected:
    Buffers run_open(const Buffers&, const Buffers&) override {
        const Running counted;
        CHECK(++running == 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        --running;
        ++runs;
        return {};
    }
    void release() override { ++released; }

  private:
    std::vector<Port> none_;
};

Array numbers(Shape shape) {
    Array made(DType::float32, std::move(shape));
    float next = 0;
    for (float& one : made.as<float>()) one = next++;
    return made;
}

}  // namespace

TEST_CASE("an unknown target is refused with the names of the known ones") {
    CHECK_THROWS_WITH_AS(open_session("m.onnx", "abacus"), doctest::Contains("'abacus'; expected one of: tensorrt, "),
                         UsageError);
}

TEST_CASE("threads are a number that a machine can have") {
    CHECK_THROWS_AS(open_session("m.onnx", "ort-cpu", {.threads = 0}), UsageError);
    CHECK_THROWS_AS(open_session("m.onnx", "ort-cpu", {.threads = 1025}), UsageError);
}

TEST_CASE("what this program was built without is refused by name") {
    int without = 0;
    for (const Backend& backend : backends()) {
        for (const std::string_view target : backend.targets) {
            CHECK(has_target(target) == (backend.open != nullptr));
            if (backend.open != nullptr) continue;
            ++without;
            CHECK_THROWS_WITH_AS(open_session("m", target), doctest::Contains("was built without it"), PreflightError);
        }
    }
    CHECK_FALSE(has_target("abacus"));
    MESSAGE("targets left out: " << without);
}

TEST_CASE("a tensor's name and type are read back as a port") {
    const Port port = read_port("a/m.onnx", NAME, {std::string("B"), std::int64_t{4}}, DType::float32, "tensor(float)");
    CHECK(port.tensor() == NAME);
    CHECK(port.shape == std::vector<Dim>{std::string("B"), std::int64_t{4}});
    CHECK_THROWS_WITH_AS(read_port("a/m.onnx", "sample", {}, DType::float32, "tensor(float)"),
                         "The engine m.onnx has a tensor 'sample' that carries no symbol. Export and build it with "
                         "latentlink: a graph from elsewhere says nothing of its latent space.",
                         BundleError);
    CHECK_THROWS_WITH_AS(
        read_port("a/m.onnx", NAME, {}, std::nullopt, "tensor(double)"),
        "The tensor 'latent__one__c4_f8__float32__ae674288' of the engine m.onnx is tensor(double), but "
        "its name says float32. The engine was tampered with: build it again.",
        BundleError);
}

TEST_CASE("an engine's title is the end of its path") {
    CHECK(engine_title("/bundles/demo/engines/denoiser/ort-cpu/model.onnx") == "denoiser/ort-cpu/model.onnx");
    CHECK(engine_title("model.onnx") == "model.onnx");
}

TEST_CASE("rows are gathered, and -1 is a row of zeros") {
    Slow session;
    const BufferPtr from = session.upload(numbers({2, 2, 3}));
    const std::vector<int> rows = {1, -1, 1, 0};
    const Array made = session.gather(from, rows, {4, 6})->host();
    CHECK(made.shape() == Shape{4, 6});
    for (int i = 0; i < 6; ++i) {
        CHECK(made.as<float>()[static_cast<std::size_t>(i)] == 6.0f + static_cast<float>(i));
        CHECK(made.as<float>()[static_cast<std::size_t>(6 + i)] == 0.0f);
        CHECK(made.as<float>()[static_cast<std::size_t>(18 + i)] == static_cast<float>(i));
    }
    for (const int missing : {2, -2}) {
        CHECK_THROWS_WITH_AS(session.gather(from, std::vector<int>{missing}, {1, 6}),
                             doctest::Contains("expected rows of equal size, -1 to 1."), UsageError);
    }
    CHECK_THROWS_AS(session.gather(from, std::vector<int>{0}, {1, 5}), UsageError);
    CHECK_THROWS_AS(session.gather(from, std::vector<int>{0, 1}, {1, 6}), UsageError);
    CHECK_THROWS_AS(session.gather(from, std::vector<int>{}, {}), UsageError);
}

TEST_CASE("a buffer keeps its shape and dtype, and does not change with the array it was made of") {
    Slow session;
    Array array = numbers({1, 4});
    const BufferPtr buffer = session.upload(array);
    array.as<float>()[0] = 9;
    CHECK(buffer->host().as<float>()[0] == 0);
    session.write(*buffer, array);
    CHECK(buffer->host().as<float>()[0] == 9);
    CHECK_THROWS_WITH_AS(session.write(*buffer, numbers({4})),
                         "Received float32 of shape [4] to write into a buffer; expected float32 of shape [1, 4].",
                         UsageError);
    CHECK_THROWS_AS(session.write(*buffer, Array(DType::int32, {1, 4})), UsageError);
    CHECK(session.take(buffer) == buffer);
}

TEST_CASE("threads take turns at an engine, and their waiting is counted") {
    Slow session;
    std::vector<std::thread> threads;
    std::atomic<double> waited = 0, engines = 0;
    std::atomic<int> ready = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            ++ready;
            while (ready < 4) std::this_thread::yield();
            session.run({}, {});
            waited += Clock::waited();
            engines += Clock::engines();
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(session.runs == 4);
    CHECK(engines >= 0.08);  // four times 20 ms
    CHECK(waited > 0);       // how long depends on when each begins
}

TEST_CASE("closing waits for the run that has begun, refuses later ones, and may be done twice") {
    Slow session;
    std::thread runner([&] { session.run({}, {}); });
    while (session.running == 0) std::this_thread::yield();
    session.close();
    CHECK(session.runs == 1);
    CHECK(session.released == 1);
    session.close();
    CHECK(session.released == 1);
    runner.join();
    CHECK_THROWS_WITH_AS(session.run({}, {}),
                         "The engine a/b/slow is closed; expected an open one. Load the bundle again.", UsageError);
}

TEST_CASE("a cancelled call begins no run, and says what cancelled it") {
    Slow session;
    Call call;
    int interrupts = 0;
    {
        const Call::Active active(call);
        CHECK(current_call() == &call);
        session.run({}, {});
        const Call::Interruptible until(&call, [&] { ++interrupts; });
        std::thread([&] { call.cancel("the test"); }).join();
        CHECK(interrupts == 1);
        call.cancel("another");
        CHECK_THROWS_WITH_AS(session.run({}, {}), "Cancelled by the test.", Cancelled);
    }
    CHECK(current_call() == nullptr);
    call.cancel("afterwards");
    CHECK(interrupts == 2);
    const Call::Interruptible late(&call, [&] { ++interrupts; });
    CHECK(interrupts == 3);
    session.run({}, {});  // outside of the call
    CHECK(call.account()->engines >= 0.02);
}
