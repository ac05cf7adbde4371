// Whole runs: row by row what the Python runtime makes of them.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "../request/answers.h"
#include "denoising/beginning.h"
#include "denoising/guidance.h"
#include "denoising/loop.h"
#include "linking/link.h"
#include "step_double.h"

using namespace latentlink;

namespace {

constexpr std::int64_t SIDE = 32, LATENT = 4;  // of every picture in pixels, and of its latent

// A coefficient of float64 differs in its last bits, so that one of float32 may be its neighbour; steps of the double
// multiply that by no more than a hundred.
constexpr float TOLERANCE = 1e-5F;

// Sampling of a bundle, as in tests/vectors/denoising.py.
Sampling sampling_of(const Json& given) {
    const bool flow = given.value("flow", false);
    Sampling sampling = sampling_named(flow ? "flow" : "plain");
    sampling.size_multiple = 8;
    sampling.width = sampling.height = SIDE;
    if (!flow) sampling.conditions = {{"size", Condition{{2, 3}, {{1, 0}}}}};
    return sampling;
}

template <typename Make>
Array numbers(Shape shape, Make make) {
    Array made(DType::float32, std::move(shape));
    for (std::size_t i = 0; i < made.count(); ++i) made.as<float>()[i] = make(static_cast<float>(i));
    return made;
}

Image image(int number) {
    Array pixels(DType::uint8, {SIDE, SIDE, 3});
    for (std::size_t i = 0; i < pixels.count(); ++i) {
        pixels.as<std::uint8_t>()[i] =
            static_cast<std::uint8_t>((i * 31 + static_cast<std::size_t>(number) * 77) % 251);
    }
    return Image::of(pixels);
}

// White on the left: more with every number.
Image mask(int number) {
    Array pixels(DType::uint8, {SIDE, SIDE, 1});
    for (std::size_t i = 0; i < pixels.count(); ++i) {
        pixels.as<std::uint8_t>()[i] = static_cast<int>(i % SIDE) < 8 * (number + 1) ? 255 : 0;
    }
    return Image::of(pixels);
}

Inputs inputs_of(const Json& given) {
    Inputs inputs;
    for (int i = 0; i < given.value("images", 0); ++i) inputs.images.push_back(image(i));
    for (int i = 0; i < given.value("masks", 0); ++i) inputs.masks.push_back(mask(i));
    if (const int latents = given.value("latents", 0); latents != 0) {
        inputs.latents =
            numbers({latents, 4, LATENT, LATENT}, [](float i) { return std::fmod(i * 5, 32.0F) / 16 - 1; });
    }
    if (given.contains("level")) inputs.level = {given.at("level").at(0), given.at("level").at(1)};
    return inputs;
}

// A VAE on paper: the mean of each patch of 8x8 pixels, black inside the mask, and a tenth of the noise.
Array encode_on_paper(const Array& pictures, const std::optional<Array>& masks, const Array& noise) {
    const auto pixels = pictures.as<std::uint8_t>();
    Array z = noise.clone();
    for (std::size_t i = 0; i < z.count(); ++i) {
        const std::size_t w = i % LATENT, h = i / LATENT % LATENT, channel = i / 16 % 4 % 3, b = i / 64;
        float sum = 0;
        for (std::size_t place = 0; place < 64; ++place) {
            const std::size_t pixel = (b * SIDE + h * 8 + place / 8) * SIDE + w * 8 + place % 8;
            const float kept = masks ? 1 - masks->as<float>()[pixel] : 1;
            sum += static_cast<float>(pixels[pixel * 3 + channel]) * kept;
        }
        z.as<float>()[i] = sum * 0x1p-13F - 1 + z.as<float>()[i] * 0.1F;
    }
    return z;
}

// Texts of each length in a buffer of their own: all prompts, then their negative prompts.
std::vector<Texts> texts_of(StepDouble& session, const std::vector<int>& lengths, bool zeros) {
    std::vector<Texts> made(lengths.size());
    for (const int length : std::set<int>(lengths.begin(), lengths.end())) {
        const auto own = static_cast<std::size_t>(std::ranges::count(lengths, length));
        const Array embeddings = numbers({static_cast<std::int64_t>(2 * own), length, 8},
                                         [](float i) { return std::fmod(i * 7, 16.0F) / 16 - 0.5F; });
        const auto rows = slots(session.upload(embeddings), 2 * own, {length, 8});
        std::size_t place = 0;
        for (std::size_t number = 0; number < lengths.size(); ++number) {
            if (lengths[number] != length) continue;
            Text& text = made[number][session.text()];
            text.prompt = rows.at(place);
            if (!zeros) text.unconditional = rows.at(own + place);
            ++place;
        }
    }
    return made;
}

struct Made {
    Json answer;
    Array latents, predicted;
};

// A denoiser of the tests, and what steps it.
struct Paper {
    explicit Paper(const Json& given)
        : kind(given.value("kind", "cfg")),
          dtype(given.value("dtype", "float32") == "float16" ? DType::float16 : DType::float32),
          session(std::make_shared<StepDouble>(kind, dtype, calls)),
          shallow(std::make_shared<StepDouble>("shallow", dtype, calls)),
          denoiser{.component = "denoiser", .bundle = "demo", .session = session, .declared = {session->inputs(), {}}} {
        const Json limits = given.value("limits", Json::object());
        for (const auto& [dim, range] : limits.items()) denoiser.limits[dim] = range.get<std::array<std::int64_t, 3>>();
    }

    std::vector<Run> runs(const Json& given) {
        std::vector<Picture> pictures;
        for (const Request& request : resolve(sampling_of(given), "a", given.at("options"))) {
            const SamplerTable table = request.table();
            const auto guided = guided_rows(denoiser, request, table);
            const bool paired = std::ranges::find(guided, true) != guided.end();
            ConditionNumbers conditions;
            for (const Port& port : session->inputs()) {
                if (port.kind == "condition") conditions[port.tensor()] = request.conditions.at(port.name);
            }
            pictures.push_back({request, table, guided, paired, conditions});
        }
        const auto texts = texts_of(*session, given.value("lengths", std::vector<int>(pictures.size(), 2)),
                                    given.value("zeros", false));
        return runs_of(pictures, texts, inputs_of(given), *session, session->latent(), encode_on_paper);
    }

    Json calls = Json::array();
    std::string kind;
    DType dtype;
    std::shared_ptr<StepDouble> session, shallow;
    Engine denoiser;
};

Change change_of(const Json& asked, const Progress& progress) {
    Change change{.guidance = asked.value("guidance", Json())};
    if (asked.contains("scale")) {
        Array latents = progress.latents().to(DType::float32).clone();
        for (float& number : latents.as<float>()) number *= asked.at("scale").get<float>();
        change.latents = latents;
    }
    return change;
}

Made made_of(const Json& given) {
    Paper paper(given);
    std::vector<Run> runs = paper.runs(given);
    const bool caches = std::ranges::any_of(
        runs, [](const Run& run) { return std::ranges::find(run.shallow, true) != run.shallow.end(); });
    const Stepper stepper(paper.denoiser, caches ? paper.shallow : nullptr, paper.session->latent());
    Denoising denoising(paper.denoiser, stepper, std::move(runs), given.value("watched", false));
    const Json changes = given.value("changes", Json::object());
    Json reported = Json::array();
    Array predicted;
    while (const auto progress = denoising.advance()) {
        reported.push_back({progress->row, progress->rows, progress->step, progress->steps});
        CHECK(progress->seconds >= 0);
        predicted = progress->predicted();
        const auto change = changes.find(std::to_string(reported.size()));
        if (change != changes.end()) denoising.change(change_of(*change, *progress));
    }
    const DenoiseResult done = denoising.result();
    CHECK(paper.session->waits() == (given.value("watched", false) ? static_cast<int>(reported.size()) + 1 : 1));
    return {{{"calls", paper.calls}, {"progress", reported}, {"buffer", done.buffer != nullptr}},
            done.array.to(DType::float32),
            predicted};
}

// Compares latents with those of the Python runtime; returns how many numbers differ in any bit.
std::size_t compare(const Array& found, const std::string& name) {
    const auto expected = read_tensor<float>("denoising.safetensors", name);
    REQUIRE(found.count() == expected.size());
    float largest = 0, apart = 0;
    std::size_t differ = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        largest = std::max(largest, std::abs(expected[i]));
        apart = std::max(apart, std::abs(found.as<float>()[i] - expected[i]));
        if (found.as<float>()[i] != expected[i]) ++differ;
    }
    CHECK(apart <= TOLERANCE * largest);
    return differ;
}

}  // namespace

TEST_CASE("runs call the engine, report and end as those of the Python runtime") {
    const Json cases = read_json("denoising.json").at("cases");
    REQUIRE(cases.size() > 50);
    std::size_t differ = 0, count = 0;
    for (const Json& expected : cases) {
        const auto name = expected.at("name").get<std::string>();
        CAPTURE(name);
        try {
            const Made made = made_of(expected);
            REQUIRE(expected.contains("answer"));
            CHECK(made.answer.dump() == expected.at("answer").dump());
            differ += compare(made.latents, name) + compare(made.predicted, name + ", predicted");
            count += 2 * made.latents.count();
        } catch (const Error& error) {
            CHECK(expected.value("message", "") == error.message());
            CHECK(expected.value("remedy", "") == error.remedy());
            CHECK(expected.value("status", 0) == static_cast<int>(error.status()));
        }
    }
    MESSAGE(cases.size() << " runs; " << differ << " of " << count << " numbers differ in a bit");
}

TEST_CASE("a run of a batch that is never gathered stays in the buffers that it began with") {
    const Json given = {{"options", {{"seed", 1}, {"steps", 4}, {"num_images", 3}}}};
    Paper paper(given);
    std::vector<Run> runs = paper.runs(given);
    const BufferPtr first = runs.front().state().x.buffer;
    const Stepper stepper(paper.denoiser, nullptr, paper.session->latent());
    Denoising denoising(paper.denoiser, stepper, std::move(runs), false);
    while (denoising.advance()) continue;
    CHECK(denoising.result().buffer == first);  // x and its spare are used in turn: after an even number of rows
}

TEST_CASE("after the last row there is no other") {
    const Json given = {{"options", {{"seed", 1}, {"steps", 1}}}};
    Paper paper(given);
    Denoising denoising(paper.denoiser, Stepper(paper.denoiser, nullptr, paper.session->latent()), paper.runs(given),
                        false);
    CHECK(denoising.advance());
    CHECK(!denoising.advance());
    CHECK(!denoising.advance());
    CHECK(paper.calls.size() == 1);
}

TEST_CASE("latents of another shape or type are no change") {
    const Json given = {{"options", {{"seed", 1}, {"steps", 2}}}};
    Paper paper(given);
    Denoising denoising(paper.denoiser, Stepper(paper.denoiser, nullptr, paper.session->latent()), paper.runs(given),
                        false);
    REQUIRE(denoising.advance());
    CHECK_THROWS_WITH_AS(denoising.change({.latents = Array(DType::float32, {1, 4, 4, 3})}),
                         "The changed latents are float32 [1, 4, 4, 3]; expected an array of floating-point numbers "
                         "[1, 4, 4, 4]. progress.latents() makes one.",
                         UsageError);
    CHECK_THROWS_AS(denoising.change({.latents = Array(DType::int32, {1, 4, 4, 4})}), UsageError);
}

TEST_CASE("noise that is drawn for all is dealt turn by turn, whoever takes it first") {
    float next = 0;
    const Draw draw = [&next] {
        const float number = next++;
        return numbers({2, 1}, [number](float row) { return 10 * number + row; });
    };
    const auto dealt_draws = dealt(draw, 2);
    CHECK(dealt_draws[0]().as<float>()[0] == 0);
    CHECK(dealt_draws[0]().as<float>()[0] == 10);
    CHECK(dealt_draws[1]().as<float>()[0] == 1);
    CHECK(dealt_draws[1]().as<float>()[0] == 11);
    CHECK(next == 2);
}
