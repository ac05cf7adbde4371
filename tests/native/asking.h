// Questions that both runtimes answer: the answers, and errors in their parts.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "vectors.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

// What `ask` answers, or its error, as tests/vectors/answering.py writes them.
template <typename Ask>
Json answer_of(Ask ask) {
    try {
        return {{"answer", ask()}};
    } catch (const Error& error) {
        return {{"status", static_cast<int>(error.status())}, {"message", error.message()}, {"remedy", error.remedy()}};
    }
}

// Check that what was said of a question is what Python said.
inline void check_same(const Json& question, const Json& found) {
    for (auto item = found.begin(); item != found.end(); ++item) {
        const std::string said = item.value().dump();
        CHECK_MESSAGE(question.contains(item.key()), said);
        if (question.contains(item.key())) CHECK(said == question.at(item.key()).dump());
    }
}

// Check that `ask` says of a question what Python said.
template <typename Ask>
void check_answer(const Json& question, Ask ask) {
    CAPTURE(question.dump());
    check_same(question, answer_of(ask));
}

// Bytes of their hex digits.
inline std::string from_hex(const std::string& digits) {
    std::string bytes;
    for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
        bytes += static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16));
    }
    return bytes;
}

}  // namespace latentlink
