#include "targets/fingerprint.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "bundle/record_checks.h"
#include "vocabulary/spaces.h"
#include "vocabulary/system_files.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

using Release = std::pair<int, int>;  // major and minor number

bool are_digits(std::string_view text, std::size_t most) {
    return !text.empty() && text.size() <= most &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

int number_of(std::string_view digits) {
    int number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

// Major and minor number of a version; parts that are no numbers count as 0.
Release release_of(std::string_view version) {
    std::vector<std::string> parts = split(version, '.');
    parts.resize(std::max<std::size_t>(parts.size(), 2), "0");
    const auto part = [&parts](std::size_t i) { return are_digits(parts[i], 9) ? number_of(parts[i]) : 0; };
    return {part(0), part(1)};
}

// `8.6`, and in a range's end also `12.x`.
bool is_capability(std::string_view text, bool open) {
    const std::size_t dot = text.find('.');
    return dot != std::string_view::npos && are_digits(text.substr(0, dot), 3) &&
           (are_digits(text.substr(dot + 1), 1) || (open && text.substr(dot + 1) == "x"));
}

// A compute capability, or a range of them.
bool are_capabilities(std::string_view text) {
    const std::size_t dash = text.find('-');
    return is_capability(text.substr(0, dash), false) &&
           (dash == std::string_view::npos || is_capability(text.substr(dash + 1), true));
}

Release capability_of(std::string_view text) {
    const std::vector<std::string> parts = split(text, '.', 2);
    const std::string minor = parts.size() > 1 ? parts[1] : "0";
    return {number_of(parts[0]), minor == "x" ? 99 : number_of(minor)};
}

const Json* fact(const EngineEntry& engine, std::string_view key) {
    const auto found = engine.fingerprint.find(key);
    return found == engine.fingerprint.end() ? nullptr : &found->second;
}

// A fact as Python's `str` writes it.
std::string text_of(const Json* value) {
    if (value == nullptr) return "None";
    return value->is_string() ? value->get<std::string>() : repr(*value);
}

// A fact that is a list of text; empty if it is none.
std::vector<std::string> list_of(const Json* value) {
    std::vector<std::string> texts;
    if (value == nullptr || !value->is_array()) return texts;
    for (const Json& one : *value) texts.push_back(text_of(&one));
    return texts;
}

Json limits_of(const EngineEntry& engine) {
    Json limits = Json::object();
    for (const auto& [dimension, range] : engine.limits) limits[dimension] = range;
    return limits;
}

// Whether a fingerprint agrees with its digest and with the engine's record, and its facts can be parsed.
bool is_intact(const EngineEntry& engine) {
    Json facts = Json::object();
    for (const auto& [key, value] : engine.fingerprint) {
        if (key != "digest") facts[key] = value;
    }
    const Json* digest = fact(engine, "digest");
    if (digest == nullptr || *digest != digest_of(facts)) return false;
    const std::array<std::pair<std::string_view, std::string>, 3> record = {{
        {"target", engine.target},
        {"precision", engine.precision},
        {"limits", digest_of(limits_of(engine))},
    }};
    for (const auto& [key, value] : record) {
        const Json* found = fact(engine, key);
        if (found == nullptr ? key == "target" : *found != value) return false;
    }
    const Json* kinds = fact(engine, "compute_capability");
    if (kinds != nullptr && !kinds->is_array()) return false;
    const std::vector<std::string> listed = list_of(kinds);
    if (!std::ranges::all_of(listed, are_capabilities)) return false;
    const Json* cuda = fact(engine, "cuda");
    if (cuda == nullptr) return true;
    const std::vector<std::string> parts = split(text_of(cuda), '.');
    return parts.size() == 2 && are_digits(parts[0], 3) && are_digits(parts[1], 3);
}

// The remedy if only another engine helps.
std::string rebuild(const EngineEntry& engine, std::string_view options = "", std::string_view where = "") {
    return "Build it again: latentlink build EXPORTED BUNDLE --target " + engine.target + std::string(options) +
           std::string(where) + ".";
}

// The command that installs a release of a package, or any.
std::string pinned(const Package& package, const std::string& version) {
    if (package.pin.empty() || version.empty()) return std::string(package.install);
    std::string command(package.pin);
    for (const std::string_view place : {"{}", "{0}"}) {
        for (std::size_t at; (at = command.find(place)) != std::string::npos;)
            command.replace(at, place.size(), version);
    }
    return command;
}

std::string stripped(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(' '), end = text.find_last_not_of(' ');
    return begin == std::string_view::npos ? "" : std::string(text.substr(begin, end + 1 - begin));
}

std::optional<Finding> check_package(const EngineEntry& engine, const Package& package, const std::string& text,
                                     const Machine& machine) {
    const std::string title(package.title);
    const std::string needed = stripped(std::string_view(text).substr(text.starts_with(title) ? title.size() : 0));
    const std::string wanted = text + (!package.pin.empty() || needed.empty() ? "" : " or later");
    const std::optional<std::string> found = machine.version(package);
    if (!found) return Finding{"no-runtime", wanted, "none", "Install it: " + pinned(package, needed) + "."};
    const bool opens = package.pin.empty() ? release_of(*found) >= release_of(needed) : *found == needed;
    if (opens) return std::nullopt;
    return Finding{"runtime-version", wanted, title + " " + *found,
                   "Install that one: " + pinned(package, needed) + ". Or: " + rebuild(engine)};
}

std::optional<Finding> check_packages(const EngineEntry& engine, const Target& target, const Machine& machine) {
    const std::vector<std::string> built = list_of(fact(engine, "runtime"));
    for (std::size_t i = 0; i < std::min(built.size(), target.packages.size()); ++i) {
        if (auto finding = check_package(engine, target.packages[i], built[i], machine)) return finding;
    }
    return std::nullopt;
}

std::optional<Finding> check_system(const EngineEntry& engine, const Target& target, const Machine& machine) {
    if (!target.gpu) return std::nullopt;  // its graph was optimised by rules that are valid on any processor
    constexpr std::string_view THERE = ", on such a machine";
    const std::string architecture = text_of(fact(engine, "architecture")), os = text_of(fact(engine, "os"));
    if (target.profiles && machine.architecture != architecture) {
        return Finding{"architecture", architecture + " processors", machine.architecture, rebuild(engine, "", THERE)};
    }
    if (!target.systems && machine.os != os) return Finding{"system", os, machine.os, rebuild(engine, "", THERE)};
    return std::nullopt;
}

std::optional<Finding> check_processor(const EngineEntry& engine, const Target& target, const Machine& machine) {
    for (const auto& [precision, names] : target.instructions) {
        const auto has = [&machine](std::string_view name) { return machine.instructions.contains(name); };
        if (precision != engine.precision || std::ranges::any_of(names, has)) continue;
        std::string either;
        for (const std::string_view name : names) (either += either.empty() ? "" : " or ") += name;
        return Finding{"processor", "processors that compute in " + engine.precision + " (" + either + ")",
                       (machine.processor.empty() ? "one" : machine.processor) + " without",
                       rebuild(engine, " --precision fp32")};
    }
    return std::nullopt;
}

std::string shown(Release numbers) { return std::to_string(numbers.first) + "." + std::to_string(numbers.second); }

// The command that builds for this GPU.
std::string rebuild_for(const EngineEntry& engine, const Target& target, const Gpu& gpu) {
    const std::string kind = shown(gpu.capability);
    if (target.local) return rebuild(engine);
    if (std::ranges::find(target.kinds, kind) != target.kinds.end()) {
        return rebuild(engine, " --compute-capability " + kind);
    }
    return "Build it for a target that has this GPU: latentlink build EXPORTED BUNDLE --target tensorrt.";
}

std::optional<Finding> check_gpu(const EngineEntry& engine, const Target& target, const Machine& machine) {
    if (!target.gpu) return std::nullopt;
    const std::vector<std::string> capabilities = list_of(fact(engine, "compute_capability"));
    std::string either;
    for (const std::string& one : capabilities) either += (either.empty() ? "" : " or ") + one;
    const std::string needed = capabilities.empty() ? "an NVIDIA GPU" : "compute capability " + either;
    if (machine.gpus.empty()) {
        return Finding{"no-device", needed, "no CUDA device",
                       "Run it on a machine with such a GPU and its driver, or build the bundle for the CPU too: "
                       "latentlink build EXPORTED BUNDLE --target " +
                           engine.target + " --target " + std::string(REFERENCE_TARGET) + "."};
    }
    const Gpu& gpu = machine.gpus.front();
    const auto covering = [&gpu](const std::string& text) { return covers(text, gpu.capability); };
    if (!capabilities.empty() && std::ranges::none_of(capabilities, covering)) {
        return Finding{"compute-capability", needed, gpu.name + " with " + shown(gpu.capability),
                       rebuild_for(engine, target, gpu)};
    }
    const Json* cuda = fact(engine, "cuda");
    if (cuda != nullptr && cuda->is_string() &&
        (!machine.driver || *machine.driver < release_of(cuda->get<std::string>()))) {
        return Finding{"driver", "a driver for CUDA " + cuda->get<std::string>() + " or later",
                       machine.driver ? "one for CUDA " + shown(*machine.driver) : "none", "Update the NVIDIA driver."};
    }
    return std::nullopt;
}

using Check = std::optional<Finding> (*)(const EngineEntry&, const Target&, const Machine&);

// In order: the first finding is reported.
constexpr std::array<Check, 4> CHECKS = {check_system, check_processor, check_gpu, check_packages};

}  // namespace

std::string Finding::reason() const {
    return "engine valid for " + needed + ", this machine has " + found + " (" + code + ")";
}

std::optional<Finding> preflight(const EngineEntry& engine, const Machine& machine) {
    const Target* target = target_named(engine.target);
    if (target == nullptr) {
        std::vector<std::string_view> names;
        for (const Target& known : targets()) names.push_back(known.name);
        return Finding{"unknown-target", "a latentlink that knows the target " + engine.target,
                       "one that knows " + joined(names),
                       "Update latentlink, or build the bundle for one of these targets."};
    }
    if (!is_intact(engine)) {
        return Finding{std::string(DAMAGED), "a machine that cannot be known, as its fingerprint was edited",
                       "no way to check it", DAMAGED_REMEDY};
    }
    for (const Check check : CHECKS) {
        if (auto finding = check(engine, *target, machine)) return finding;
    }
    return std::nullopt;
}

bool covers(std::string_view text, std::pair<int, int> capability) {
    const std::size_t dash = text.find('-');
    const Release low = capability_of(text.substr(0, dash));
    if (dash == std::string_view::npos) return capability == low;
    return low <= capability && capability <= capability_of(text.substr(dash + 1));
}

}  // namespace latentlink
