// What programs give to the C interface, as values of the runtime.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "latentlink.h"
#include "pipeline.h"
#include "vocabulary/errors.h"

namespace latentlink {

// What a pointer points to. Throws UsageError: it is NULL.
template <typename Handle>
Handle& needed(Handle* handle, const char* name) {
    if (handle == nullptr) throw UsageError(std::string(name) + " is NULL; expected one.");
    return *handle;
}

// A list of C. Throws UsageError: it is NULL, but not empty.
template <typename Value>
std::span<const Value> listed(const Value* first, std::size_t count, const char* name) {
    if (first == nullptr && count != 0) {
        throw UsageError(std::string(name) + " is NULL, with a count of " + std::to_string(count) + ".");
    }
    return {first, count};
}

// One value for all pictures, or a list with one for each; null for none.
Json one_or_each(Json values);

template <typename Value>
Json numbers(const Value* first, std::size_t count, const char* name) {
    Json made = Json::array();
    for (const Value number : listed(first, count, name)) made.push_back(number);
    return one_or_each(std::move(made));
}

// A struct of options as this version knows it: what a caller of an earlier version does not have is the default. Those
// of the first version, which ended with `last`, are in all.
template <typename Options, typename Field>
Options of_this_version(const Options* given, Options defaults, Field Options::*last, const char* name) {
    if (given == nullptr) return defaults;
    const auto* behind = reinterpret_cast<const char*>(&(defaults.*last) + 1);
    const auto least = static_cast<std::size_t>(behind - reinterpret_cast<const char*>(&defaults));
    if (given->size < least || given->size > sizeof(Options)) {
        throw UsageError(std::string(name) + ".size is " + std::to_string(given->size) + "; expected " +
                             std::to_string(sizeof(Options)) + " in this version, and at least " +
                             std::to_string(least) + ".",
                         "Set it to sizeof, and use the library of the header that was compiled.");
    }
    std::memcpy(&defaults, given, given->size);
    return defaults;
}

// Copies of pictures. Throws UsageError: one has no pixels, or a size that no picture has.
std::vector<Image> images_of(const latentlink_picture* first, std::size_t count, const char* name);

Given given_of(const latentlink_generate_options& options);

LoadOptions load_options_of(const latentlink_load_options& given);

// The setting of guards.
inline std::string guard_of(int off) { return off != 0 ? "off" : "on"; }

}  // namespace latentlink
