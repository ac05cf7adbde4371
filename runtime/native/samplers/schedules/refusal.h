// The errors of this room: what was received, what was expected, and what to do.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "vocabulary/errors.h"
#include "vocabulary/json.h"

namespace latentlink {

// A setting that no table of coefficients can express, why, and the nearest supported sampler if it is a sampler.
struct DataDependent {
    std::string_view name, why, instead = "";
};

std::span<const DataDependent> data_dependent_settings();

// Whether a name is one of `data_dependent_settings`.
bool is_data_dependent(std::string_view name);

UsageError refusal(const std::string& received, const std::string& expected, const std::string& remedy);

// The error for one of `data_dependent_settings`.
UsageError data_dependent(std::string_view name);

using Names = std::span<const std::string_view>;

bool contains(Names names, std::string_view name);

// A name that is one of the options; another is refused with a UsageError that suggests the closest.
std::string one_of(std::string_view name, Names options, const std::string& what, const std::string& whose = "");
std::string one_of(const Json& name, Names options, const std::string& what, const std::string& whose = "");

}  // namespace latentlink
