// A budget for open engines: never more than it allows, and no engine swapped unseen.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "doubles.h"
#include "linking/engine_memory.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

// A folder for the life of a test.
struct Folder {
    std::filesystem::path path;
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "latentlink-XXXXXX").string();
        path = mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }

    std::filesystem::path engine(const std::string& name) const {
        std::filesystem::create_directory(path / name);
        std::ofstream(path / name / "model.onnx") << "graph";
        std::ofstream(path / name / "model.onnx.data") << "weights";
        return path / name / "model.onnx";
    }
};

// Counts which engines are open.
struct Watched {
    std::vector<std::shared_ptr<Double>> opened;

    int open() const {
        int count = 0;
        for (const auto& session : opened) count += session->closes == 0;
        return count;
    }

    std::function<SessionPtr()> opener() {
        return [this] {
            opened.push_back(std::make_shared<Double>(std::vector<Port>(), std::vector<Port>(),
                                                      [](const Arrays& arrays) { return arrays; }));
            return opened.back();
        };
    }
};

struct Engines {
    Folder folder;
    Watched watched;
    std::shared_ptr<EngineMemory> memory;

    explicit Engines(std::int64_t budget) : memory(std::make_shared<EngineMemory>(budget)) {}

    std::unique_ptr<ReopeningSession> open(const std::string& name, std::uint64_t size = 1) {
        return std::make_unique<ReopeningSession>(ReopeningSession::Settings{
            "vae_decoder of " + name, folder.engine(name), size, watched.opener(), memory});
    }
};

}  // namespace

TEST_CASE("the engine that ran longest ago is closed first") {
    Engines engines(2);
    const auto a = engines.open("a"), b = engines.open("b");
    a->run({}, {});
    const auto c = engines.open("c");
    CHECK_FALSE(reopen(*a));
    CHECK_FALSE(reopen(*c));
    CHECK(reopen(*b));
    CHECK(engines.memory->used() == 2);
    CHECK(engines.watched.open() == 2);
}

TEST_CASE("as many are closed as a large one needs") {
    Engines engines(3);
    const auto a = engines.open("a"), b = engines.open("b"), c = engines.open("c");
    const auto large = engines.open("large", 2);
    CHECK(engines.memory->used() == 3);
    c->run({}, {});
    CHECK(engines.memory->used() == 3);
}

TEST_CASE("an engine larger than the budget is refused with both sizes") {
    Engines engines(5'000'000);
    try {
        engines.open("denoiser", 12'345'678);
        FAIL("it was opened");
    } catch (const UsageError& error) {
        CHECK(error.message() == "vae_decoder of denoiser has 12.3 MB, but the open engines may have at most 5.0 MB in "
                                 "all.");
        CHECK(error.remedy() == "Allow at least that: engine_memory=12345678.");
    }
    CHECK_THROWS_AS(EngineMemory(0), UsageError);
    CHECK_THROWS_AS(EngineMemory(-1), UsageError);
}

TEST_CASE("an engine that was replaced while it was closed is refused") {
    Engines engines(1);
    const auto a = engines.open("a"), b = engines.open("b");
    const auto weights = engines.folder.path / "a" / "model.onnx.data";
    std::filesystem::remove(weights);
    std::ofstream(weights) << "wEights";
    try {
        a->run({}, {});
        FAIL("it ran");
    } catch (const BundleError& error) {
        CHECK(error.message() == "The files of vae_decoder of a were replaced while it was closed to make room.");
    }
}

TEST_CASE("an engine that was closed for good is not opened again, and a session that is gone makes no room") {
    Engines engines(2);
    auto a = engines.open("a");
    a->close();
    a->close();
    CHECK(engines.memory->used() == 0);
    CHECK_FALSE(reopen(*a));
    {
        const auto b = engines.open("b");
        CHECK(engines.memory->used() == 1);
    }
    CHECK(engines.memory->used() == 0);
    const auto c = engines.open("c", 2);
    CHECK(engines.watched.open() == 1);
}

TEST_CASE("threads that take turns never have more open than the budget") {
    Engines engines(1);
    const auto a = engines.open("a"), b = engines.open("b");
    std::vector<std::thread> threads;
    for (ReopeningSession* session : {a.get(), b.get(), a.get(), b.get()}) {
        threads.emplace_back([session] {
            for (int i = 0; i < 50; ++i) session->run({}, {});
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(engines.memory->used() == 1);
    CHECK(engines.watched.open() == 1);
    int runs = 0;
    for (const auto& session : engines.watched.opened) runs += session->runs;
    CHECK(runs == 200);
}
