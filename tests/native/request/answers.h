// What the Python runtime answers to requests, read from requests.json.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "../vectors.h"
#include "bundle/sampling.h"
#include "vocabulary/errors.h"

namespace latentlink {

// A value as it was before it became JSON: see tests/vectors/request_answers.py.
inline Json restored(const Json& value) {
    if (value.is_object() && value.size() == 1 && value.contains("float")) {
        const auto text = value.at("float").get<std::string>();
        const double infinite = std::numeric_limits<double>::infinity();
        return text == "nan" ? std::nan("") : text == "inf" ? infinite : -infinite;
    }
    if (value.is_object() && value.size() == 1 && value.contains("repeat")) {
        const auto character = value.at("repeat").at(0).get<std::string>();
        std::string text;
        for (int i = value.at("repeat").at(1).get<int>(); i > 0; --i) text += character;
        return text;
    }
    Json made = value;
    for (Json& one : made) {
        if (one.is_structured()) one = restored(one);
    }
    return made;
}

// A value as JSON has it.
inline Json plain(const Json& value) {
    if (value.is_number_float() && !std::isfinite(value.get<double>())) {
        const double number = value.get<double>();
        return {{"float", std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf"}};
    }
    Json made = value;
    if (made.is_structured()) {
        for (Json& one : made) one = plain(one);
    }
    return made;
}

// Ask the same questions; every answer and every refusal is the same.
template <typename Ask>
void check_answers(const char* what, Ask ask) {
    const Json answers = read_json("requests.json").at(what);
    REQUIRE(!answers.empty());
    for (const Json& expected : answers) {
        Json found = {{"given", expected.at("given")}};
        try {
            found["answer"] = plain(ask(restored(expected.at("given"))));
        } catch (const Error& error) {
            found["status"] = static_cast<int>(error.status());
            found["message"] = error.message();
            found["remedy"] = error.remedy();
        }
        CHECK(found.dump() == expected.dump());
    }
}

// One of the samplings of requests.json.
inline Sampling sampling_named(const std::string& name) {
    static const Json samplings = read_json("requests.json").at("samplings");
    for (const Json& one : samplings) {
        if (one.at("name") == name) return Sampling::from_json(one.at("record"));
    }
    throw std::runtime_error("Received no sampling " + name + "; expected one of requests.json.");
}

template <typename Value>
Json optional_json(const std::optional<Value>& value) {
    return value ? Json(*value) : Json();
}

}  // namespace latentlink
