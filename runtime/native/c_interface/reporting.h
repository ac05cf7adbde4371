// No exception leaves the C interface: what is thrown becomes a status and an error object.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "latentlink.h"
#include "vocabulary/errors.h"
#include "vocabulary/json.h"

namespace latentlink {

// The text of JSON for programs: what is not UTF-8 is replaced, and numbers that are not finite are null.
std::string text_of_json(const Json& value);

// Make the error object, if one is asked for. Throws std::bad_alloc.
latentlink_status report(latentlink_error** out, const Error& error);

// Do work, and report whatever it throws.
template <typename Work>
latentlink_status guarded(latentlink_error** out, Work work) noexcept {
    if (out != nullptr) *out = nullptr;
    try {
        try {
            work();
            return LATENTLINK_DONE;
        } catch (const Error& error) {
            return report(out, error);
        } catch (const std::bad_alloc&) {
            return report(out, MachineError("There is not enough memory.", "Use smaller pictures, or fewer at once."));
        } catch (const std::exception& error) {
            return report(out, MachineError(std::string("The library failed: ") + error.what()));
        }
    } catch (...) {  // not even the report has memory
        return LATENTLINK_FAILED;
    }
}

}  // namespace latentlink
