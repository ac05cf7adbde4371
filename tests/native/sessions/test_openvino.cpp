// OpenVINO sessions on a graph that adds its input to itself.

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sessions/clock.h"
#include "sessions/session.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

const std::filesystem::path VECTORS = LATENTLINK_VECTORS;
const std::string X = "latent__one__c4_f8__float32__ae674288__x", Y = "latent__one__c4_f8__float32__ae674288";

constexpr const char* DIMS = "<dim>-1</dim><dim>4</dim><dim>-1</dim><dim>-1</dim>";

// An engine in a folder of its own, which goes with the object.
struct Engine {
    explicit Engine(const std::string& reads = X, const std::string& writes = Y, const std::string& type = "f32",
                    const std::string& graph = "") {
        static int number = 0;
        folder = std::filesystem::temp_directory_path() /
                 ("latentlink-ov-" + std::to_string(getpid()) + "-" + std::to_string(number++));
        std::filesystem::create_directories(folder / "a" / "b");
        std::ofstream(folder / "a" / "b" / "model.bin");
        std::ofstream(path()) << (graph.empty() ? xml(reads, writes, type) : graph);
    }
    ~Engine() { std::filesystem::remove_all(folder); }
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    std::filesystem::path path() const { return folder / "a" / "b" / "model.xml"; }

    static std::string xml(const std::string& reads, const std::string& writes, const std::string& type) {
        const std::string precision = type == "f32" ? "FP32" : "FP16";
        const auto port = [&](int id, const std::string& names = "") {
            return "<port id=\"" + std::to_string(id) + "\" precision=\"" + precision + "\"" +
                   (names.empty() ? "" : " names=\"" + names + "\"") + ">" + DIMS + "</port>";
        };
        return "<?xml version=\"1.0\"?>\n<net name=\"doubler\" version=\"11\"><layers>"
               "<layer id=\"0\" name=\"x\" type=\"Parameter\" version=\"opset1\"><data shape=\"?,4,?,?\" "
               "element_type=\"" +
               type + "\"/><output>" + port(0, reads) +
               "</output></layer>"
               "<layer id=\"1\" name=\"y\" type=\"Add\" version=\"opset1\"><data auto_broadcast=\"numpy\"/><input>" +
               port(0) + port(1) + "</input><output>" + port(2, writes) +
               "</output></layer>"
               "<layer id=\"2\" name=\"r\" type=\"Result\" version=\"opset1\"><input>" +
               port(0) +
               "</input></layer></layers><edges>"
               "<edge from-layer=\"0\" from-port=\"0\" to-layer=\"1\" to-port=\"0\"/>"
               "<edge from-layer=\"0\" from-port=\"0\" to-layer=\"1\" to-port=\"1\"/>"
               "<edge from-layer=\"1\" from-port=\"2\" to-layer=\"2\" to-port=\"0\"/></edges><rt_info/></net>\n";
    }

    std::filesystem::path folder;
};

SessionPtr open_engine(const Engine& engine, const SessionOptions& options = {.threads = 1}) {
    return open_session(engine.path(), "openvino-cpu", options);
}

Array filled(Shape shape, float value) {
    Array made(DType::float32, std::move(shape));
    for (float& one : made.as<float>()) one = value;
    return made;
}

bool same(const Array& a, const Array& b) {
    return a.shape() == b.shape() && std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

}  // namespace

TEST_SUITE_BEGIN("openvino" * doctest::skip(!has_target("openvino-cpu")));

TEST_CASE("OpenVINO: ports are read back from the engine") {
    const Engine engine;
    const SessionPtr session = open_engine(engine);
    CHECK(session->inputs().at(0).tensor() == X);
    CHECK(session->outputs().at(0).tensor() == Y);
    CHECK(session->inputs()[0].shape ==
          std::vector<Dim>{std::string("d0"), std::int64_t{4}, std::string("d2"), std::string("d3")});
    CHECK(session->placement().empty());
}

TEST_CASE("OpenVINO: a run writes into the buffer it is given at any size") {
    const Engine engine;
    const SessionPtr session = open_engine(engine);
    const double before = Clock::engines();
    for (const int width : {3, 5, 3, 7}) {
        const BufferPtr given = session->upload(filled({1, 4, 2, width}, 3));
        const BufferPtr taken = session->empty({1, 4, 2, width}, DType::float32);
        CHECK(session->run({{X, given}}, {{Y, taken}}).at(Y) == taken);
        CHECK(same(taken->host(), filled({1, 4, 2, width}, 6)));
    }
    CHECK(Clock::engines() > before);
    session->trim();
    const BufferPtr given = session->upload(filled({2, 4, 1, 1}, 1));
    CHECK(same(session->run({{X, given}}, {{Y, nullptr}}).at(Y)->host(), filled({2, 4, 1, 1}, 2)));
}

TEST_CASE("OpenVINO: an output that is made is not written by the next run") {
    const Engine engine;
    for (const bool low_memory : {false, true}) {
        const SessionPtr session = open_engine(engine, {.threads = 1, .low_memory = low_memory});
        for (const int rows : {2, 3}) {
            const Array first =
                session->run({{X, session->upload(filled({rows, 4, 1, 1}, 1))}}, {{Y, nullptr}}).at(Y)->host();
            const Array second =
                session->run({{X, session->upload(filled({rows, 4, 1, 1}, 3))}}, {{Y, nullptr}}).at(Y)->host();
            CHECK(same(first, filled({rows, 4, 1, 1}, 2)));
            CHECK(same(second, filled({rows, 4, 1, 1}, 6)));
        }
    }
}

TEST_CASE("OpenVINO: a buffer of ONNX Runtime is read as it is" * doctest::skip(!has_target("ort-cpu"))) {
    const Engine engine;
    const SessionPtr session = open_engine(engine);
    const SessionPtr other = open_session(VECTORS / "engines" / "doubler.onnx", "ort-cpu", {.threads = 1});
    const BufferPtr theirs = other->run({{X, other->upload(filled({1, 4, 1, 1}, 1))}}, {{Y, nullptr}}).at(Y);
    const BufferPtr ours = session->run({{X, session->take(theirs)}}, {{Y, nullptr}}).at(Y);
    CHECK(same(ours->host(), filled({1, 4, 1, 1}, 4)));
    CHECK(same(other->run({{X, other->take(ours)}}, {{Y, nullptr}}).at(Y)->host(), filled({1, 4, 1, 1}, 8)));
}

TEST_CASE("OpenVINO: an engine whose tensors are not what their names say is refused") {
    const Engine nameless("sample"), disguised(X, Y, "f16"), doubled(X, Y + "," + Y + "__denoised");
    CHECK_THROWS_WITH_AS(open_engine(nameless), doctest::Contains("'sample' that carries no symbol"), BundleError);
    CHECK_THROWS_WITH_AS(open_engine(disguised), doctest::Contains("is f16, but its name says float32"), BundleError);
    CHECK_THROWS_WITH_AS(open_engine(doubled),
                         doctest::Contains(("A tensor of the engine a/b/model.xml carries the symbols " + Y + ", " + Y +
                                            "__denoised; expected one.")
                                               .c_str()),
                         BundleError);
}

TEST_CASE("OpenVINO: a file that is no OpenVINO IR is given to no other reader") {
    const Engine text("", "", "", "not a graph"), cut("", "", "", Engine::xml(X, Y, "f32").substr(0, 400));
    CHECK_THROWS_WITH_AS(
        open_engine(text),
        doctest::Contains("a/b/model.xml cannot be opened by OpenVINO: it is no OpenVINO IR Build the bundle again"),
        BundleError);
    CHECK_THROWS_WITH_AS(open_engine(cut), doctest::Contains("cannot be opened by OpenVINO"), BundleError);
    const Engine weightless;
    std::filesystem::remove(weightless.folder / "a" / "b" / "model.bin");
    CHECK_THROWS_WITH_AS(open_engine(weightless), doctest::Contains("cannot be opened by OpenVINO"), BundleError);
}

TEST_CASE("OpenVINO: a shape it was not built for and an input it does not have are refused") {
    const Engine engine;
    const SessionPtr session = open_engine(engine);
    const BufferPtr five = session->upload(filled({1, 5, 1, 1}, 1));
    CHECK_THROWS_WITH_AS(session->run({{X, five}}, {{Y, nullptr}}),
                         doctest::Contains("of shape [any, 4, any, any], but received [1, 5, 1, 1]. Use a size"),
                         UsageError);
    CHECK_THROWS_WITH_AS(session->run({{"z", five}}, {{Y, nullptr}}), doctest::Contains("a/b/model.xml failed"),
                         BundleError);
    const BufferPtr whole = session->upload(Array(DType::int32, {1, 4, 1, 1}));
    CHECK_THROWS_AS(session->run({{X, whole}}, {{Y, nullptr}}), BundleError);
    CHECK_THROWS_AS(session->run({}, {{Y, nullptr}}), BundleError);
    const BufferPtr four = session->upload(filled({1, 4, 1, 1}, 1));
    CHECK_THROWS_AS(session->run({{X, four}}, {{"q", nullptr}}), BundleError);
    CHECK(same(session->run({{X, four}}, {{Y, nullptr}}).at(Y)->host(), filled({1, 4, 1, 1}, 2)));
}

TEST_CASE("OpenVINO: an engine that may repeat for ever is refused") {
    CHECK_THROWS_WITH_AS(open_session(VECTORS / "engines" / "endless.xml", "openvino-cpu"),
                         doctest::Contains("it has the operator Loop, which may repeat for ever"), BundleError);
}

TEST_CASE("OpenVINO: eight threads take turns at one engine, of which a closed one runs none") {
    const Engine engine;
    const SessionPtr session = open_engine(engine);
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            const BufferPtr given = session->upload(filled({1 + i % 3, 4, 8, 8}, static_cast<float>(i)));
            for (int turn = 0; turn < 4; ++turn) {
                const Array made = session->run({{X, given}}, {{Y, nullptr}}).at(Y)->host();
                right += same(made, filled({1 + i % 3, 4, 8, 8}, static_cast<float>(2 * i)));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(right == 32);
    session->close();
    session->close();
    session->trim();
    const BufferPtr given = session->upload(filled({1, 4, 1, 1}, 1));
    CHECK_THROWS_WITH_AS(session->run({{X, given}}, {{Y, nullptr}}), doctest::Contains("model.xml is closed"),
                         UsageError);
}

TEST_SUITE_END();
