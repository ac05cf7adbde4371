// ONNX Runtime on the CPU, on graphs of tests/vectors/engines and on the engines of the demo bundle.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sessions/calls.h"
#include "sessions/session.h"
#include "vocabulary/errors.h"
#include "vocabulary/safetensors.h"

using namespace latentlink;

namespace {

const std::filesystem::path VECTORS = LATENTLINK_VECTORS;
const std::filesystem::path DEMO = VECTORS.parent_path().parent_path() / "demo" / "bundles" / "demo";
const std::string X = "latent__one__c4_f8__float32__ae674288__x", Y = "latent__one__c4_f8__float32__ae674288";

SessionPtr open_graph(const std::string& name, const SessionOptions& options = {.threads = 1}) {
    return open_session(VECTORS / "engines" / (name + ".onnx"), "ort-cpu", options);
}

SessionPtr open_demo(const std::string& component, const SessionOptions& options = {.threads = 2}) {
    return open_session(DEMO / "engines" / component / "ort-cpu" / "model.onnx", "ort-cpu", options);
}

Array filled(Shape shape, float value) {
    Array made(DType::float32, std::move(shape));
    for (float& one : made.as<float>()) one = value;
    return made;
}

// The probes of a component of the demo bundle: what its reference made of golden inputs.
struct Probes {
    explicit Probes(const std::string& component) : file(DEMO / "probes" / (component + ".safetensors")) {}

    // The buffers of a case; those that all cases share are in the group `all`.
    Buffers inputs(Session& session, const std::string& group) const {
        Buffers made;
        for (const Port& port : session.inputs()) {
            const std::string own = group + "/" + port.tensor();
            made[port.tensor()] =
                session.upload(file.tensor(file.tensors().contains(own) ? own : "all/" + port.tensor()));
        }
        return made;
    }

    SafetensorsFile file;
};

Buffers unmade(const Session& session) {
    Buffers outputs;
    for (const Port& port : session.outputs()) outputs[port.tensor()] = nullptr;
    return outputs;
}

double furthest(const Array& a, const Array& b) {
    REQUIRE(a.shape() == b.shape());
    double most = 0;
    for (std::size_t i = 0; i < a.count(); ++i) {
        const double far = a.dtype() == DType::uint8
                               ? std::abs(int{a.as<std::uint8_t>()[i]} - int{b.as<std::uint8_t>()[i]})
                               : std::abs(double{a.as<float>()[i]} - double{b.as<float>()[i]});
        most = std::max(most, far);
    }
    return most;
}

bool same(const Array& a, const Array& b) {
    return a.shape() == b.shape() && std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

}  // namespace

TEST_SUITE_BEGIN("ort" * doctest::skip(!has_target("ort-cpu")));

TEST_CASE("ports are read back from the engine") {
    const SessionPtr session = open_graph("doubler");
    REQUIRE(session->inputs().size() == 1);
    CHECK(session->inputs()[0].tensor() == X);
    CHECK(session->outputs()[0].tensor() == Y);
    CHECK(session->inputs()[0].shape ==
          std::vector<Dim>{std::string("B"), std::int64_t{4}, std::string("h"), std::string("w")});
    CHECK(open_graph("half")->inputs()[0].dtype == DType::float16);
}

TEST_CASE("an engine whose tensors are not what their names say is refused") {
    CHECK_THROWS_WITH_AS(open_graph("nameless"), doctest::Contains("'sample' that carries no symbol"), BundleError);
    CHECK_THROWS_WITH_AS(open_graph("disguised"), doctest::Contains("is tensor(float16), but its name says float32."),
                         BundleError);
    // ports of bfloat16 do not exist in ONNX Runtime's module for Python
    CHECK_THROWS_WITH_AS(open_graph("brain"), doctest::Contains("is tensor(bfloat16), but its name says bfloat16."),
                         BundleError);
}

TEST_CASE("a file that is no engine is refused in ONNX Runtime's words") {
    const auto folder = std::filesystem::temp_directory_path() / ("latentlink-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "m.onnx") << "not a graph";
    CHECK_THROWS_WITH_AS(open_session(folder / "m.onnx", "ort-cpu"),
                         doctest::Contains("m.onnx cannot be opened by ONNX Runtime: [ONNXRuntimeError] : 7 : "
                                           "INVALID_PROTOBUF : Load model from "),
                         BundleError);
    CHECK_THROWS_WITH_AS(open_session(folder / "none.onnx", "ort-cpu"),
                         doctest::Contains("[ONNXRuntimeError] : 3 : NO_SUCHFILE : "), BundleError);
    CHECK_THROWS_WITH_AS(open_session(folder, "ort-cpu"), doctest::Contains("cannot be opened"), BundleError);
    std::filesystem::remove_all(folder);
}

TEST_CASE("a run writes into the buffer that it is given, or makes one") {
    const SessionPtr session = open_graph("doubler");
    const BufferPtr given = session->upload(filled({1, 4, 2, 3}, 3)),
                    taken = session->empty({1, 4, 2, 3}, DType::float32);
    const Buffers written = session->run({{X, given}}, {{Y, taken}});
    CHECK(written.at(Y) == taken);
    CHECK(same(taken->host(), filled({1, 4, 2, 3}, 6)));
    session->write(*given, filled({1, 4, 2, 3}, 5));
    const BufferPtr made = session->run({{X, given}}, {{Y, nullptr}}).at(Y);
    CHECK(made->dtype() == DType::float32);
    CHECK(same(made->host(), filled({1, 4, 2, 3}, 10)));
}

TEST_CASE("what an engine made is read by another, and outlives it") {
    BufferPtr made;
    {
        const SessionPtr session = open_graph("doubler");
        made = session->run({{X, session->upload(filled({1, 4, 8, 8}, 1))}}, {{Y, nullptr}}).at(Y);
    }
    const SessionPtr other = open_graph("doubler");
    const BufferPtr taken = other->take(made);
    CHECK(taken == made);
    const Array result = other->run({{X, taken}}, {{Y, nullptr}}).at(Y)->host();
    CHECK(same(result, filled({1, 4, 8, 8}, 4)));
}

TEST_CASE("half precision is read and written") {
    const SessionPtr session = open_graph("half");
    const std::string x = session->inputs()[0].tensor(), y = session->outputs()[0].tensor();
    const BufferPtr given = session->upload(filled({1, 4, 1, 1}, 0.75f).to(DType::float16));
    const Array made = session->run({{x, given}}, {{y, nullptr}}).at(y)->host();
    CHECK(made.dtype() == DType::float16);
    CHECK(same(made.to(DType::float32), filled({1, 4, 1, 1}, 1.5f)));
}

TEST_CASE("a failure of a run is told as the engine's, in ONNX Runtime's words") {
    const SessionPtr session = open_graph("doubler");
    const BufferPtr five = session->upload(filled({1, 5, 1, 1}, 1));
    CHECK_THROWS_WITH_AS(session->run({{X, five}}, {{Y, nullptr}}),
                         doctest::Contains("The engine vectors/engines/doubler.onnx failed: Error in execution: Got "
                                           "invalid dimensions for input: "),
                         BundleError);
    CHECK_THROWS_WITH_AS(
        session->run({{"z", five}}, {{Y, nullptr}}),
        doctest::Contains("failed: Error when binding input: Failed to find input name in the mapping: z"
                          " Build the bundle again: latentlink build EXPORTED BUNDLE."),
        BundleError);
    const BufferPtr whole = session->upload(Array(DType::int32, {1, 4, 1, 1}));
    CHECK_THROWS_WITH_AS(session->run({{X, whole}}, {{Y, nullptr}}), doctest::Contains("Unexpected input data type"),
                         BundleError);
    const BufferPtr small = session->upload(filled({1, 4, 1, 1}, 1)), large = session->upload(filled({1, 4, 2, 1}, 1));
    CHECK_THROWS_AS(session->run({{X, small}}, {{Y, large}}), BundleError);
    CHECK(same(session->run({{X, small}}, {{Y, nullptr}}).at(Y)->host(), filled({1, 4, 1, 1}, 2)));
}

TEST_CASE("want of memory is not the engine's fault") {
    const SessionPtr session = open_graph("doubler");
    CHECK_THROWS_AS(session->empty({1 << 20, 1 << 20, 1 << 22}, DType::float32), std::bad_alloc);
}

TEST_CASE("the engines of the demo bundle make what their probes say") {
    struct Case {
        std::string component, group;
        double most;  // an 8-bit picture may differ by a step; others as float32 sums in another order do
    };
    for (const Case& one :
         {Case{"denoiser", "high", 2e-3}, Case{"denoiser", "low", 2e-3}, Case{"text_encoder", "prompt-1", 1e-4},
          Case{"vae_decoder", "edges-128x64", 1}, Case{"vae_encoder", "texture-64x64", 1e-3}}) {
        CAPTURE(one.component);
        const SessionPtr session = open_demo(one.component);
        const Probes probes(one.component);
        const Buffers made = session->run(probes.inputs(*session, one.group), unmade(*session));
        for (const auto& output : made) {
            CAPTURE(output.first);
            CHECK(furthest(output.second->host(), probes.file.tensor(one.group + "/" + output.first)) <= one.most);
        }
    }
}

TEST_CASE("eight threads run one engine at once, and each gets what a single one does") {
    const SessionPtr session = open_demo("denoiser", {.threads = 1});
    const Probes probes("denoiser");
    const std::vector<std::string> groups = {"high", "middle", "low"};
    std::map<std::string, Buffers> alone;
    for (const auto& group : groups) alone[group] = session->run(probes.inputs(*session, group), unmade(*session));
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            for (std::size_t turn = 0; turn < 4; ++turn) {
                const std::string& group = groups[(i + turn) % groups.size()];
                const Buffers made = session->run(probes.inputs(*session, group), unmade(*session));
                for (const auto& [name, buffer] : made) right += same(buffer->host(), alone[group].at(name)->host());
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(right == 8 * 4 * 3);
}

TEST_CASE("a run that has begun ends normally when the engine is closed, and later ones are refused") {
    const SessionPtr session = open_graph("chain");
    const BufferPtr given = session->upload(filled({1, 4, 512, 512}, 0));
    std::atomic<bool> begun = false;
    Buffers made;
    std::thread runner([&] {
        begun = true;
        made = session->run({{X, given}}, {{Y, nullptr}});
    });
    while (!begun) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // of some 100 that it takes
    session->close();
    session->close();
    runner.join();
    CHECK(same(made.at(Y)->host(), filled({1, 4, 512, 512}, 0)));
    CHECK_THROWS_WITH_AS(session->run({{X, given}}, {{Y, nullptr}}), doctest::Contains("chain.onnx is closed"),
                         UsageError);
}

TEST_CASE("a run that is cancelled ends between two of its nodes") {
    const SessionPtr session = open_graph("chain");
    const BufferPtr given = session->upload(filled({1, 4, 1024, 1024}, 0));
    const double began = perf_counter();
    session->run({{X, given}}, {{Y, nullptr}});
    const double whole = perf_counter() - began;
    Call call;
    std::atomic<double> took = -1;
    std::thread runner([&] {
        const Call::Active active(call);
        const double start = perf_counter();
        CHECK_THROWS_WITH_AS(session->run({{X, given}}, {{Y, nullptr}}), "Cancelled by Ctrl-C.", Cancelled);
        took = perf_counter() - start;
    });
    std::this_thread::sleep_for(std::chrono::duration<double>(whole / 10));
    call.cancel("Ctrl-C");
    runner.join();
    CHECK(took > 0);
    CHECK(took < 0.8 * whole);
    CHECK(call.account()->engines > 0);
    session->run({{X, given}}, {{Y, nullptr}});  // another call's run is not affected
}

TEST_CASE("an engine is refused in a fork, and can be closed and destroyed there") {
    SessionPtr session = open_graph("doubler", {.threads = 2});
    const BufferPtr given = session->upload(filled({1, 4, 1, 1}, 1));
    session->run({{X, given}}, {{Y, nullptr}});
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);  // rather than wait for ever for threads that are not there
        int status = 1;
        try {
            session->run({{X, given}}, {{Y, nullptr}});
        } catch (const UsageError& error) {
            status = std::string(error.what()).find("was opened before this process was forked") == std::string::npos;
        }
        session->close();
        session = nullptr;
        _exit(status);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    session->run({{X, given}}, {{Y, nullptr}});  // the parent's engine is as it was
}

TEST_CASE("a build's onnxruntime says where the nodes run, where its headers can ask") {
    const auto placement = open_graph("doubler")->placement();
    const std::map<std::string, int> expected = {{"CPUExecutionProvider", 1}};
    CHECK((placement.empty() || placement == expected));
}

TEST_SUITE_END();
