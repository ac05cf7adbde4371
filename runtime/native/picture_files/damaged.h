// What is wrong inside of a picture's file.
#pragma once

#include "vocabulary/errors.h"

namespace latentlink {

// A file is damaged. `message` is the reason alone, without a full stop: who knows the file's name makes the sentence.
class Damaged final : public UsageError {
  public:
    using UsageError::UsageError;
};

}  // namespace latentlink
