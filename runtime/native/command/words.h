// What was decided and mended, in sentences for people.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "linking/decisions.h"
#include "result.h"

namespace latentlink {

// Which engines were skipped and why, in one line for all components with the same reason.
std::vector<std::string> skipped_lines(std::span<const Decision> decisions);

// Results of the probes of components from other bundles.
std::vector<std::string> admissions(std::span<const Decision> decisions);

// What a user should know of a result: what was mended, and a step cache that was not measured.
std::vector<std::string> notices(const Result& result);

// The settings of a picture that a reader looks for first: `dpmpp_2m karras, 20 steps, guidance 7.5, 512x512`.
std::string settings_of(const Request& request);

// Decisions as JSON values.
Json decisions_json(std::span<const Decision> decisions);

// A number with so many digits after the point.
std::string fixed(double value, int digits);

}  // namespace latentlink
