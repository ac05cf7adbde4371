// The linker on engines that are nothing but their ports: the verdicts of the Python runtime, in its words.
#include <doctest/doctest.h>

#include "doubles.h"
#include "linking/link.h"
#include "vectors.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

std::vector<Port> ports_of(const Json& listed) {
    std::vector<Port> ports;
    for (const Json& one : listed) {
        std::vector<Dim> shape;
        for (std::size_t i = 1; i < one.size(); ++i) {
            shape.push_back(one[i].is_string() ? Dim(one[i].get<std::string>()) : Dim(one[i].get<std::int64_t>()));
        }
        ports.push_back(Port::parse(one[0].get<std::string>(), std::move(shape)));
    }
    return ports;
}

Engine engine_of(const Json& given) {
    const Json& ports = given.at("ports");
    const Json& declared = given.contains("declared") ? given["declared"] : ports;
    return {given.at("component"),
            given.at("bundle"),
            std::make_shared<Double>(ports_of(ports[0]), ports_of(ports[1])),
            {ports_of(declared[0]), ports_of(declared[1])}};
}

PortRecord record_of_vector(const Json& given) {
    if (given.contains("channels")) return LatentSpace::from_json(given);
    return TextEmbedding::from_json(given);
}

Json title(const std::optional<Engine>& engine) { return engine ? Json(engine->title()) : Json(); }

// How the engines were connected, as the vectors have it.
Json told(const LinkedVae& linked) {
    return {{"latent", linked.latent.tensor()}, {"decoder", title(linked.decoder)}, {"encoder", title(linked.encoder)}};
}

Json told(const Linked& linked) {
    Json answer = told(static_cast<const LinkedVae&>(linked));
    answer["texts"] = Json::array();
    for (const LinkedText& text : linked.texts) {
        answer["texts"].push_back({text.tensor, text.engine.title(), text.port.tensor()});
    }
    answer["denoiser"] = linked.denoiser.title();
    answer["shallow"] = title(linked.shallow);
    return answer;
}

Json verdict(std::span<const Engine> engines, const Describe& describe) {
    const bool draws = std::ranges::any_of(engines, [](const Engine& one) { return one.component == "denoiser"; });
    try {
        return {{"answer", draws ? told(link(engines, describe)) : told(link_vae(engines, describe))}};
    } catch (const Error& error) {
        return {{"status", static_cast<int>(error.status())}, {"message", error.message()}, {"remedy", error.remedy()}};
    }
}

}  // namespace

TEST_CASE("engines are linked or refused as in Python") {
    const Json vectors = read_json("linking.json");
    for (const Json& given : vectors.at("cases")) {
        CAPTURE(given.at("title").get<std::string>());
        std::vector<Engine> engines;
        for (const std::size_t number : given.at("engines")) engines.push_back(engine_of(vectors["engines"][number]));
        std::vector<PortRecord> records;
        for (const std::size_t number : given.at("records")) {
            records.push_back(record_of_vector(vectors["records"][number]));
        }
        const Describe describe = [&](const Port& port) -> std::optional<PortRecord> {
            for (const PortRecord& record : records) {
                const bool found = std::visit(
                    [&](const auto& one) { return one.name == port.name && one.digest() == port.digest; }, record);
                if (found) return record;
            }
            return std::nullopt;
        };
        Json expected = given;
        for (const char* key : {"title", "engines", "records"}) expected.erase(key);
        CHECK(verdict(engines, describe) == expected);
    }
    CHECK(vectors.at("cases").size() >= 50);
}
