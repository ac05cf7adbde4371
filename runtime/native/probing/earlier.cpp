#include "probing/earlier.h"

#include <cmath>
#include <limits>

#include "picture_files/record.h"
#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/json_writing.h"
#include "vocabulary/sha256.h"
#include "vocabulary/texts.h"
#include "vocabulary/user_cache.h"

namespace latentlink {

namespace {

// Increased when proofs come to mean something else: earlier ones no longer count.
constexpr int SCHEME = 1;

// This runtime: what the Python runtime keeps is filed under other names.
constexpr std::string_view RUNTIME = "native";

constexpr std::uint64_t MAX_BYTES = 1u << 16;  // of the file of a proof

template <typename Kind>
constexpr std::string_view name_of_kind = "Proof";
template <>
constexpr std::string_view name_of_kind<Admission> = "Admission";

Json json_of(const Machine& machine) {
    Json record = {{"os", machine.os}, {"architecture", machine.architecture}, {"processor", machine.processor}};
    record["driver"] = machine.driver ? Json({machine.driver->first, machine.driver->second}) : Json();
    record["gpus"] = Json::array();
    for (const Gpu& gpu : machine.gpus) {
        record["gpus"].push_back({{"name", gpu.name},
                                  {"capability", {gpu.capability.first, gpu.capability.second}},
                                  {"memory", gpu.memory}});
    }
    record["versions"] = Json::object();
    for (const auto& [name, version] : machine.versions) record["versions"][name] = version;
    record["instructions"] = machine.instructions;
    return record;
}

// A number as Python's `json` writes it, infinite ones included.
std::string number_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return repr(value);
}

std::string text_of(const Proof& proof) {
    return "{\"probes\": " + std::to_string(proof.probes) + ", \"psnr\": " + number_text(proof.psnr) +
           ", \"worst\": " + number_text(proof.worst) + "}";
}

std::string text_of(const Admission& proof) {
    return "{\"host\": " + dumps(Json(proof.host)) + ", \"same\": " + (proof.same ? "true" : "false") +
           ", \"snr\": " + number_text(proof.snr) + "}";
}

// Throws Json::exception: it is no such record.
void read(const Json& record, Proof& proof) {
    proof = {record.at("probes").get<int>(), record.at("psnr").get<double>(), record.at("worst").get<double>()};
}

void read(const Json& record, Admission& proof) {
    proof = {record.at("host").get<std::string>(), record.at("same").get<bool>(), record.at("snr").get<double>()};
}

}  // namespace

EarlierProofs::EarlierProofs(const Machine& machine) : circumstances_({SCHEME, RUNTIME, VERSION, json_of(machine)}) {}

template <typename Kind>
std::optional<Kind> EarlierProofs::find(const Subject& subject) const {
    try {
        const std::filesystem::path path = file(name_of_kind<Kind>, subject);
        std::error_code missing;
        if (!std::filesystem::is_regular_file(path, missing)) return std::nullopt;
        const std::optional<std::string> text = read_file(path, MAX_BYTES);
        if (!text) return std::nullopt;
        Kind found;
        read(parse_json(*text, {.keys_once = true, .constants = true}), found);
        return found;
    } catch (const Error&) {
        return std::nullopt;
    } catch (const Json::exception&) {
        return std::nullopt;
    }
}

template <typename Kind>
void EarlierProofs::keep(const Kind& proof, const Subject& subject) const {
    try {
        atomic_file(file(name_of_kind<Kind>, subject),
                    [&](const std::filesystem::path& part) { write_file(part, text_of(proof)); });
    } catch (const Error&) {
        return;  // it will be proved again
    }
}

std::optional<Subject> EarlierProofs::subject(std::span<const Bundle* const> bundles, std::string_view component,
                                              const EngineEntry& engine) {
    Subject subject;
    for (const Bundle* bundle : bundles) {
        if (!bundle->sha256) return std::nullopt;
        subject.push_back(*bundle->sha256);
    }
    for (const std::string_view part : {component, std::string_view(engine.target), std::string_view(engine.path)}) {
        subject.emplace_back(part);
    }
    return subject;
}

std::filesystem::path EarlierProofs::file(std::string_view kind, const Subject& subject) const {
    Json about = {kind};
    for (const std::string& part : subject) about.push_back(part);
    for (const Json& part : circumstances_) about.push_back(part);
    return user_cache() / "proofs" / (sha256_of(dumps(about, {.sorted = true})) + ".json");
}

template std::optional<Proof> EarlierProofs::find(const Subject&) const;
template std::optional<Admission> EarlierProofs::find(const Subject&) const;
template void EarlierProofs::keep(const Proof&, const Subject&) const;
template void EarlierProofs::keep(const Admission&, const Subject&) const;

}  // namespace latentlink
