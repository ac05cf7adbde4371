// JSON with its keys in the order of the file, in which Python reads them too: the first wrong key is the same one.
#pragma once

#include <nlohmann/json.hpp>

namespace latentlink {

using Json = nlohmann::ordered_json;

}  // namespace latentlink
