// Answers what the native runtime says of opening, linking and proving bundles, for tests that ask both runtimes.
//
// Each line of standard input is a request, `{"load": BUNDLE, "options": {...}}`, `{"decide": BUNDLE, ...}` or
// `{"verify": BUNDLE, ...}`, and is answered by a line: `{"status": 0, "value": ...}`, or the status, message and
// remedy of the error. Infinite numbers are text.
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "loading.h"
#include "probing/verify.h"
#include "vocabulary/texts.h"

namespace {

using namespace latentlink;

template <typename Value>
void take(const Json& options, const char* key, Value& value) {
    if (options.contains(key) && !options[key].is_null()) value = options[key].get<typename Value::value_type>();
}

LoadOptions options_of(const Json& given) {
    LoadOptions options;
    if (given.contains("target")) options.target = given["target"].get<std::string>();
    if (given.contains("replace")) {
        for (const auto& [component, bundle] : given["replace"].items()) {
            options.replace.emplace_back(component, bundle.get<std::string>());
        }
    }
    take(given, "threads", options.threads);
    take(given, "verify", options.verify);
    take(given, "vae_memory", options.vae_memory);
    take(given, "engine_memory", options.engine_memory);
    take(given, "previews", options.previews);
    return options;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(repr(value)); }

Json listed(const std::vector<Decision>& decisions) {
    Json list = Json::array();
    for (const Decision& one : decisions) {
        Json record = one.to_json();
        if (one.proof) record["proof"]["psnr"] = number(one.proof->psnr);
        if (one.admission) record["admission"]["snr"] = number(one.admission->snr);
        list.push_back(std::move(record));
    }
    return list;
}

Json load_bundle(const Json& request) {
    const Loaded loaded = load(request["load"].get<std::string>(), options_of(request["options"]));
    Json components = Json::array();
    for (const Engine& engine : loaded.engines) {
        components.push_back(engine.title());
        engine.session->close();
    }
    if (loaded.previews) loaded.previews->decoder->session->close();
    return {{"decisions", listed(loaded.decisions)},
            {"engines", components},
            {"space", loaded.space.to_json()},
            {"origin", loaded.origin.to_json()}};
}

Json decide_bundle(const Json& request) {
    const Json& options = request["options"];
    return listed(decide(request["decide"].get<std::string>(), options.value("target", "auto")));
}

Json verify_bundle(const Json& request) {
    VerifyOptions options;
    options.quick = request["options"].value("quick", false);
    const Bundle bundle = Bundle::open(request["verify"].get<std::string>());
    Json checks = Json::array();
    for (const EngineCheck& one : verify(bundle, options)) {
        checks.push_back({{"component", one.component},
                          {"target", one.target},
                          {"precision", one.precision},
                          {"verdict", one.verdict},
                          {"probes", one.probes},
                          {"psnr", one.agreement ? number(one.agreement->psnr) : Json()},
                          {"reason", one.reason}});
    }
    return checks;
}

Json answer(const Json& request) {
    try {
        const auto asked = request.begin().key();
        return {{"status", 0},
                {"value", asked == "load"     ? load_bundle(request)
                          : asked == "decide" ? decide_bundle(request)
                                              : verify_bundle(request)}};
    } catch (const Error& error) {
        return {{"status", static_cast<int>(error.status())}, {"message", error.message()}, {"remedy", error.remedy()}};
    } catch (const std::bad_alloc&) {
        return {{"status", static_cast<int>(Status::failed)}, {"message", "out of memory"}, {"remedy", ""}};
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const Json request = Json::parse(line);
        const Json environment = request.value("environment", Json::object());
        for (const auto& [name, value] : environment.items()) {
            setenv(name.c_str(), value.get<std::string>().c_str(), 1);
        }
        if (request.contains("folder")) std::filesystem::current_path(request["folder"].get<std::string>());
        std::cout << answer(request).dump(-1, ' ', true, Json::error_handler_t::replace) << std::endl;
    }
}
