// What the Python runtime wrote into tests/vectors, for tests to meet.
#pragma once

#include <string>
#include <vector>

#include "samplers/resolve.h"
#include "vocabulary/json.h"

namespace latentlink {

// A JSON file of tests/vectors.
Json read_json(const std::string& file);

// The bytes of a tensor of a safetensors file of tests/vectors, as numbers of its type.
template <typename Number>
std::vector<Number> read_tensor(const std::string& file, const std::string& name);

// A schedule of tables.json by name.
Schedule schedule_named(const std::string& name);

// The request of a case of tables.json or answers.json.
SamplerRequest request_of(const Json& given);

}  // namespace latentlink
