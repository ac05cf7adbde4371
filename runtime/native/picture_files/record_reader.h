// Reading a record from a file's JSON, which anyone may have written: every value is checked.
#pragma once

#include <string_view>

#include "picture_files/record.h"

namespace latentlink {

// Throws UsageError: the text is no JSON, is of another format, or holds a value that no picture was made with.
Record read_record(std::string_view text);

}  // namespace latentlink
