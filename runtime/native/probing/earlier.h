// Earlier proofs: what engines showed on their probes, kept in the user's cache so that they need not run again.
//
// A proof is filed under everything that it depends on: the SHA-256 of the manifests, which stands for all files of the
// bundles because `load` hashes them every time, and this version, its runtimes, the processor, the GPU and its driver.
// The Python runtime keeps its own beside them: it runs engines with other libraries, so a proof of one counts for
// nothing in the other.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "linking/decisions.h"
#include "linking/source.h"
#include "targets/machine.h"

namespace latentlink {

// What was proved: hashes of manifests, a component, a target, a path.
using Subject = std::vector<std::string>;

// The proofs of a machine. A cache that cannot be read or written holds none, and that is no error.
class EarlierProofs {
  public:
    explicit EarlierProofs(const Machine& machine);

    // The proof of a subject; none if there is none. `Kind` is `Proof` or `Admission`.
    template <typename Kind>
    std::optional<Kind> find(const Subject& subject) const;

    // Keep a proof. Of two processes that keep the same one, the last writes it again.
    template <typename Kind>
    void keep(const Kind& proof, const Subject& subject) const;

    // What a proof of an engine on the probes of bundles is filed under; none if their files were not hashed.
    static std::optional<Subject> subject(std::span<const Bundle* const> bundles, std::string_view component,
                                          const EngineEntry& engine);

  private:
    std::filesystem::path file(std::string_view kind, const Subject& subject) const;

    Json circumstances_;
};

}  // namespace latentlink
