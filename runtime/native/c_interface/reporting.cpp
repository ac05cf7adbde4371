#include "c_interface/reporting.h"

#include "c_interface/handles.h"
#include "vocabulary/json_writing.h"

namespace latentlink {

namespace {

Json json_of(const Error& error) {
    Json made = {
        {"status", static_cast<int>(error.status())}, {"message", error.message()}, {"remedy", error.remedy()}};
    if (const auto* guard = dynamic_cast<const GuardError*>(&error)) {
        const GuardError::Finding& finding = guard->finding();
        Json numbers = Json::object(), unusual = Json::object();
        for (const auto& [name, number] : finding.numbers) numbers[name] = number;
        for (const auto& [name, value] : finding.unusual) unusual[name] = value;
        made.update({{"stage", finding.stage}, {"numbers", numbers}, {"cause", finding.cause}, {"unusual", unusual}});
    }
    return made;
}

}  // namespace

std::string text_of_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

latentlink_status report(latentlink_error** out, const Error& error) {
    if (out != nullptr) {
        *out = new (std::nothrow)
            latentlink_error{error.status(), error.message(), error.remedy(), text_of_json(json_of(error))};
    }
    return static_cast<latentlink_status>(error.status());
}

}  // namespace latentlink
