// How a picture was made, as `inspect` prints it.
#pragma once

#include <filesystem>

#include "command/printing.h"

namespace latentlink {

// Throws UsageError: it is no picture that is read here, or what it says of itself is damaged.
void show_picture(const Printer& printer, const std::filesystem::path& path, bool as_json);

}  // namespace latentlink
