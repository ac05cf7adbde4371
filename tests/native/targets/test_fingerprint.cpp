// Preflight: of every engine of the vectors, what Python finds on every machine of theirs.

#include "../asking.h"
#include "targets/fingerprint.h"

using namespace latentlink;

namespace {

std::pair<int, int> pair_of(const Json& value) { return {value.at(0).get<int>(), value.at(1).get<int>()}; }

Machine machine_of(const Json& record) {
    Machine machine{.os = record.at("os"),
                    .architecture = record.at("architecture"),
                    .versions = record.at("versions").get<Versions>(),
                    .processor = record.at("processor")};
    if (!record.at("driver").is_null()) machine.driver = pair_of(record.at("driver"));
    for (const Json& gpu : record.at("gpus")) {
        machine.gpus.push_back(
            {.name = gpu.at("name"), .capability = pair_of(gpu.at("capability")), .memory = gpu.at("memory")});
    }
    for (const Json& name : record.at("instructions")) machine.instructions.insert(name.get<std::string>());
    return machine;
}

// The record as a manifest's reader makes it, which is tested with the manifest.
EngineEntry entry_of(const Json& record) {
    EngineEntry entry{.target = record.at("target"), .precision = record.at("precision"), .path = record.at("path")};
    for (const auto& [key, value] : record.at("fingerprint").items()) entry.fingerprint[key] = value;
    for (const auto& [key, value] : record.at("limits").items()) entry.limits[key] = value.get<SizeRange>();
    return entry;
}

Json to_json(const std::optional<Finding>& finding) {
    if (!finding) return nullptr;
    return {{"code", finding->code},
            {"needed", finding->needed},
            {"found", finding->found},
            {"remedy", finding->remedy},
            {"reason", finding->reason()}};
}

}  // namespace

TEST_CASE("every engine is judged on every machine as Python judges it") {
    const Json vectors = read_json("engines.json");
    std::vector<Machine> machines;
    for (const Json& record : vectors.at("machines")) machines.push_back(machine_of(record));
    std::size_t judged = 0;
    for (std::size_t row = 0; row < vectors.at("engines").size(); ++row) {
        const EngineEntry entry = entry_of(vectors.at("engines")[row]);
        for (std::size_t i = 0; i < machines.size(); ++i) {
            const Json& expected = vectors.at("findings").at(vectors.at("found")[row][i].get<std::size_t>());
            CAPTURE(vectors.at("engines")[row].dump());
            CAPTURE(vectors.at("machines")[i].dump());
            CHECK(to_json(preflight(entry, machines[i])).dump() == expected.dump());
            ++judged;
        }
    }
    CHECK(judged > 1000);
}

TEST_CASE("a compute capability is one, or within a range") {
    CHECK(covers("8.6", {8, 6}));
    CHECK_FALSE(covers("8.6", {8, 9}));
    CHECK(covers("8.0-12.x", {12, 1}));
    CHECK(covers("8.0-12.x", {8, 0}));
    CHECK_FALSE(covers("8.0-12.x", {7, 5}));
    CHECK_FALSE(covers("8.0-12.x", {13, 0}));
    CHECK_FALSE(covers("8.0-8.6", {8, 9}));
}

TEST_CASE("this machine has a system, an architecture, and the versions that it was given") {
    const Machine machine = this_machine({{"onnxruntime-gpu", "1.30.0"}});
    CHECK(machine.os == "linux");
    CHECK_FALSE(machine.architecture.empty());
    const Target& reference = *target_named(REFERENCE_TARGET);
    CHECK(machine.version(reference.packages.front()) == "1.30.0");
    CHECK_FALSE(this_machine({}).version(reference.packages.front()).has_value());
    CHECK(machine.gpus.empty() == (!machine.driver || machine.gpus.empty()));
}

TEST_CASE("a file's suffix names the processor's target") {
    CHECK(target_for_file(".onnx") == "ort-cpu");
    CHECK(target_for_file(".xml") == "openvino-cpu");
    CHECK_FALSE(target_for_file(".plan").has_value());
    CHECK(target_named("ort-npu") == nullptr);
}
