// What is wrong with a tokenizer that has all that it may have.
#pragma once

#include <string>
#include <utility>

#include "vocabulary/errors.h"

namespace latentlink {

// No tokenizer can be made of a checked file, or it fails on a text. The message is the reason, as the library gives
// it; who knows the file's name says the rest.
class TokenizerError final : public BundleError {
  public:
    explicit TokenizerError(std::string reason) : BundleError(std::move(reason)) {}
};

}  // namespace latentlink
