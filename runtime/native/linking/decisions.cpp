#include "linking/decisions.h"

namespace latentlink {

std::string Skipped::text() const {
    if (code == "below-gate") return "its pictures are below the gate: " + found;
    if (code == "refused") return found;
    if (code == "no-engine") return "needs " + needed + ", but there is " + found;
    return "engine valid for " + needed + ", this machine has " + found + " (" + code + ")";
}

Json Decision::to_json() const {
    Json record = {{"component", component}, {"bundle", bundle}};
    record["target"] = target ? Json(*target) : Json();
    record["precision"] = precision ? Json(*precision) : Json();
    record["skipped"] = Json::array();
    for (const Skipped& one : skipped) {
        record["skipped"].push_back({{"component", one.component},
                                     {"target", one.target},
                                     {"precision", one.precision},
                                     {"code", one.code},
                                     {"needed", one.needed},
                                     {"found", one.found},
                                     {"remedy", one.remedy}});
    }
    record["placement"] = Json::object();
    for (const auto& [provider, nodes] : placement) record["placement"][provider] = nodes;
    record["proof"] = Json();
    if (proof) record["proof"] = {{"probes", proof->probes}, {"psnr", proof->psnr}, {"worst", proof->worst}};
    record["admission"] = Json();
    if (admission) {
        record["admission"] = {{"host", admission->host}, {"same", admission->same}, {"snr", admission->snr}};
    }
    record["purpose"] = purpose;
    return record;
}

}  // namespace latentlink
