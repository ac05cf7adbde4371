// Bundles on disk: a good one opens, and each attack on it is refused by what is wrong.

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../temporary.h"
#include "bundle/bundle.h"
#include "bundle/probe_file.h"
#include "vocabulary/bundle_names.h"

using namespace latentlink;
namespace fs = std::filesystem;

namespace {

const char* const MODEL = "engines/vae_decoder/ort-cpu/model.onnx";
const char* const WEIGHTS = "engines/vae_decoder/ort-cpu/model.onnx.data";

// A copy of a bundle that ships, to attack.
struct Copy {
    TemporaryFolder folder = {};
    fs::path root = folder / "copy";

    Copy() { fs::copy(shipped_bundles() / "demo-tiny", root, fs::copy_options::recursive); }

    void flip(const char* file, std::size_t place) const {
        std::string bytes = content_of(root / file);
        bytes.at(place) = static_cast<char>(bytes.at(place) ^ 1);
        folder.file("copy/" + std::string(file), bytes);
    }

    std::string refusal(bool check_files = true) const {
        try {
            Bundle::open(root, check_files);
        } catch (const BundleError& error) {
            return error.message();
        }
        return "accepted";
    }
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a good bundle opens, and shows its progress") {
    const Copy copy;
    std::uint64_t last = 0, all = 0;
    const Bundle bundle = Bundle::open(copy.root, true, [&](std::uint64_t done, std::uint64_t total) {
        CHECK(done >= last);
        last = done;
        all = total;
    });
    std::uint64_t sum = 0;
    for (const auto& [path, entry] : bundle.manifest.files) sum += entry.size;
    CHECK(last == sum);
    CHECK(all == sum);
    CHECK(bundle.sha256.value().size() == 64);
    CHECK(!Bundle::open(copy.root, false).sha256);
    CHECK(bundle.file(MODEL) == copy.root / MODEL);
    CHECK_THROWS_WITH_AS(bundle.file("manifest.json"), doctest::Contains("lists no file 'manifest.json'"), BundleError);
}

TEST_CASE("records are found by digest and by port") {
    const Copy copy;
    const Bundle bundle = Bundle::open(copy.root, false);
    const Port& latent = bundle.manifest.components.at("vae_decoder").inputs.at(0);
    const LatentSpace& space = bundle.manifest.spaces.at(0);
    CHECK(*bundle.space(space.digest()) == space);
    CHECK(bundle.space("00000000") == nullptr);
    CHECK(std::get<LatentSpace>(bundle.describe(latent).value()) == space);
    CHECK(!bundle.describe(image_port()));
}

TEST_CASE("a callback that throws ends the check") {
    const Copy copy;
    struct Stop {};
    CHECK_THROWS_AS(Bundle::open(copy.root, true, [](auto, auto) { throw Stop(); }), Stop);
}

TEST_CASE("other content, sizes and sets of files are refused") {
    const Copy copy;
    SUBCASE("a changed byte") {
        copy.flip(WEIGHTS, 100);
        CHECK(contains(copy.refusal(), "has SHA-256"));
        CHECK(copy.refusal(false) == "accepted");
    }
    SUBCASE("a file that was cut off") {
        fs::resize_file(copy.root / WEIGHTS, 10);
        CHECK(contains(copy.refusal(false), "has 10 bytes; expected"));
    }
    SUBCASE("a file that is missing") {
        fs::remove(copy.root / WEIGHTS);
        CHECK(contains(copy.refusal(false), "is missing; the manifest lists it."));
    }
    SUBCASE("a file that is not listed") {
        copy.folder.file("copy/hook.py", "boo");
        CHECK(contains(copy.refusal(false), "hook.py' is not listed"));
    }
    SUBCASE("a folder that is not listed") {
        fs::create_directory(copy.root / "lost");
        CHECK(contains(copy.refusal(false), "lost' is not listed"));
    }
    SUBCASE("folders without end") {
        fs::create_directories(copy.root /
                               std::string("d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/"
                                           "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/"
                                           "d/d/d"));
        CHECK(contains(copy.refusal(false), "64 levels"));
    }
    SUBCASE("more files than any bundle has") {
        fs::create_directory(copy.root / "many");
        for (int number = 0; number < 20'000; ++number) copy.folder.file("copy/many/" + std::to_string(number), "");
        CHECK(contains(copy.refusal(false), "holds over 20000 files"));
    }
}

TEST_CASE("what is no regular file is refused and not waited for") {
    const Copy copy;
    for (const char* file : {MODEL, "manifest.json"}) {
        CAPTURE(file);
        SUBCASE("a link") {
            fs::rename(copy.root / file, copy.folder / "moved");
            fs::create_symlink(copy.folder / "moved", copy.root / file);
            CHECK(contains(copy.refusal(), "is a symbolic link; expected a regular file."));
        }
        SUBCASE("a pipe") {
            fs::remove(copy.root / file);
            REQUIRE(::mkfifo((copy.root / file).c_str(), 0600) == 0);
            CHECK(contains(copy.refusal(), "is a folder, device, FIFO or socket"));
        }
    }
    SUBCASE("a folder on the way") {
        fs::rename(copy.root / "engines", copy.folder / "moved");
        fs::create_symlink(copy.folder / "moved", copy.root / "engines");
        CHECK(contains(copy.refusal(), "symbolic link"));
    }
    SUBCASE("a file that became a link after opening") {
        const Bundle bundle = Bundle::open(copy.root, false);
        fs::rename(copy.root / "engines", copy.folder / "moved");
        fs::create_symlink(copy.folder / "moved", copy.root / "engines");
        CHECK_THROWS_WITH_AS(bundle.file(MODEL), doctest::Contains("symbolic link"), BundleError);
    }
}

TEST_CASE("a manifest that is too large is refused before it is read") {
    const Copy copy;
    REQUIRE(::truncate((copy.root / "manifest.json").c_str(), off_t{1} << 40) == 0);
    CHECK(contains(copy.refusal(), "has 1099511627776 bytes; expected at most 4194304."));
}

TEST_CASE("a link to a bundle opens as the bundle, and what is none is a usage error") {
    const Copy copy;
    fs::create_directory_symlink(copy.root, copy.folder / "current");
    CHECK(Bundle::open(copy.folder / "current", false).manifest.name == "demo-tiny");
    CHECK_THROWS_AS(Bundle::open(copy.folder / "nothing"), UsageError);
    CHECK_THROWS_AS(Bundle::open(copy.root / "engines"), UsageError);
    CHECK_THROWS_AS(Bundle::open(""), UsageError);
}

TEST_CASE("probes are read, and those of other ports refused") {
    const Copy copy;
    const Bundle bundle = Bundle::open(copy.root, false);
    const ComponentEntry& decoder = bundle.manifest.components.at("vae_decoder");
    const fs::path file = bundle.file(bundle.manifest.probes.at("vae_decoder"));
    const Probes probes = read_probes(file, decoder.inputs, decoder.outputs);
    REQUIRE(!probes.probes.empty());
    const Probe& first = probes.probes.front();
    CHECK(first.inputs.size() == decoder.inputs.size());
    CHECK(first.outputs.size() == decoder.outputs.size());
    CHECK(probes.within({}, decoder.inputs)->probes.size() == probes.probes.size());
    CHECK(!probes.within({{"B", {7, 7, 7}}}, decoder.inputs));

    const ComponentEntry& encoder = bundle.manifest.components.at("vae_encoder");
    CHECK_THROWS_WITH_AS(read_probes(file, encoder.inputs, encoder.outputs), doctest::Contains("in its probe"),
                         BundleError);
    fs::resize_file(file, 100);
    CHECK_THROWS_WITH_AS(read_probes(file, decoder.inputs, decoder.outputs),
                         doctest::Contains("is no safetensors file of probes"), BundleError);
}

TEST_CASE("an engine's outputs are compared with every stored element") {
    std::vector<float> numbers(10);
    for (std::size_t number = 0; number < numbers.size(); ++number) numbers[number] = static_cast<float>(number);
    const Array whole = Array::of<float>(numbers, {2, 5});
    const Probe probe{.name = "a",
                      .inputs = {},
                      .outputs = {{"x", Array::of<float>(std::vector<float>{0, 3, 6, 9}, {4})}},
                      .strides = {{"x", 3}}};
    const Probes probes{.reference = "r", .probes = {probe}};
    CHECK(probes.check([&](const Arrays&) { return Arrays{{"x", whole}}; }, "float32").sufficient());
    const Array short_one = Array::of<float>(std::vector<float>{0, 1, 2}, {3});
    CHECK_THROWS_WITH_AS(probe.pairs({{"x", short_one}}),
                         doctest::Contains("The probe a has [4] for x, but the engine made [1]."), BundleError);
}
