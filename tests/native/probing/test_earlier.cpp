// Proofs of earlier loads: what counts, and what never does.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include "probing/earlier.h"

using namespace latentlink;

namespace {

// The user's cache in a folder of its own, for the life of a test.
struct Cache {
    std::filesystem::path path;
    std::optional<std::string> before;

    Cache() {
        std::string name = (std::filesystem::temp_directory_path() / "latentlink-XXXXXX").string();
        path = mkdtemp(name.data());
        if (const char* set = std::getenv("XDG_CACHE_HOME")) before = set;
        use(path);
    }
    ~Cache() {
        std::filesystem::remove_all(path);
        before ? setenv("XDG_CACHE_HOME", before->c_str(), 1) : unsetenv("XDG_CACHE_HOME");
    }

    void use(const std::filesystem::path& folder) const { setenv("XDG_CACHE_HOME", folder.c_str(), 1); }

    std::vector<std::filesystem::path> files() const {
        std::vector<std::filesystem::path> found;
        for (const auto& file : std::filesystem::directory_iterator(path / "latentlink" / "proofs")) {
            found.push_back(file.path());
        }
        return found;
    }
};

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

const Machine HERE = {.os = "linux", .architecture = "x86_64", .versions = {{"onnxruntime", "1.24.0"}}};

}  // namespace

TEST_CASE("a proof is found again for its subject, on its machine, and as its kind") {
    const Cache cache;
    const EarlierProofs proofs(HERE);
    const Proof proof = {.probes = 3, .psnr = std::numeric_limits<double>::infinity(), .worst = 1.5e-7};
    proofs.keep(proof, {"a bundle"});
    CHECK(content(cache.files().front()) == R"({"probes": 3, "psnr": Infinity, "worst": 1.5e-07})");
    CHECK(proofs.find<Proof>({"a bundle"}) == proof);
    CHECK_FALSE(proofs.find<Proof>({"another"}));
    CHECK_FALSE(proofs.find<Admission>({"a bundle"}));
    Machine other = HERE;
    other.versions["onnxruntime"] = "1.24.1";
    CHECK_FALSE(EarlierProofs(other).find<Proof>({"a bundle"}));
    other = HERE;
    other.processor = "another one";
    CHECK_FALSE(EarlierProofs(other).find<Proof>({"a bundle"}));

    const Admission admission = {.host = "caf\xC3\xA9", .same = true, .snr = 12.5};
    proofs.keep(admission, {"a bundle"});
    CHECK(proofs.find<Admission>({"a bundle"}) == admission);
    CHECK(cache.files().size() == 2);
}

TEST_CASE("a damaged proof counts for nothing") {
    const Cache cache;
    const EarlierProofs proofs(HERE);
    proofs.keep(Proof{.probes = 3, .psnr = 100, .worst = 0}, {"a bundle"});
    const auto file = cache.files().front();
    for (const std::string& text :
         {std::string(), std::string("\xFF{"), std::string("[1]"), std::string("{}"), std::string(R"({"probes": 3})"),
          std::string(100'000, '['), std::string(R"({"probes": "3", "psnr": 1, "worst": 0})")}) {
        std::ofstream(file, std::ios::trunc) << text;
        CHECK_FALSE(proofs.find<Proof>({"a bundle"}));
    }
}

TEST_CASE("a cache that cannot be written holds nothing and is no error") {
    const Cache cache;
    std::ofstream(cache.path / "a file") << "";
    for (const std::filesystem::path& folder : {cache.path / "a file", std::filesystem::path("/proc/nowhere")}) {
        cache.use(folder);
        const EarlierProofs proofs(HERE);
        proofs.keep(Proof{.probes = 3, .psnr = 100, .worst = 0}, {"a bundle"});
        CHECK_FALSE(proofs.find<Proof>({"a bundle"}));
    }
}

TEST_CASE("threads that keep one proof do not disturb each other") {
    const Cache cache;
    const EarlierProofs proofs(HERE);
    const Proof proof = {.probes = 3, .psnr = 100, .worst = 0};
    proofs.keep(proof, {"a bundle"});
    std::vector<int> missed(4);
    std::vector<std::thread> threads;
    for (int& count : missed) {
        threads.emplace_back([&] {
            for (int i = 0; i < 20; ++i) {
                proofs.keep(proof, {"a bundle"});
                count += proofs.find<Proof>({"a bundle"}) != proof;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(missed == std::vector<int>(4));
    CHECK(cache.files().size() == 1);
}

TEST_CASE("an engine of files that were not hashed has no subject") {
    const Bundle hashed = {.root = "a", .manifest = {}, .sha256 = "12"}, unknown = {.root = "b", .manifest = {}};
    const EngineEntry engine = {.target = "ort-cpu", .precision = "float32", .path = "engines/model.onnx"};
    const Bundle* const both[] = {&hashed, &unknown};
    const Bundle* const one[] = {&hashed};
    CHECK_FALSE(EarlierProofs::subject(both, "denoiser", engine));
    CHECK(EarlierProofs::subject(one, "denoiser", engine) ==
          Subject{"12", "denoiser", "ort-cpu", "engines/model.onnx"});
}
