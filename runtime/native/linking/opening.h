// Opening a bundle's engines with the arguments of `load`: target, threads and memory budgets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "linking/decisions.h"
#include "linking/engine_memory.h"
#include "linking/link.h"
#include "linking/source.h"
#include "sessions/backends.h"
#include "sessions/session.h"
#include "targets/machine.h"

namespace latentlink {

// Opens an engine's file: `open_session`, or another function in tests.
using OpenSession = std::function<SessionPtr(const std::filesystem::path&, std::string_view, const SessionOptions&)>;

// An engine that was chosen and opened.
struct OpenedEngine {
    Engine engine;
    ComponentSource source;             // the component and bundle that it comes from
    EngineEntry entry;                  // its entry in the manifest
    std::vector<Skipped> skipped = {};  // the engines that were preferred to it, and skipped

    // The decision so far, without the result of probes.
    Decision decision() const;
};

// An engine of a wider number range, in case a narrow one overflows, and a function that opens it.
struct WiderEngine {
    std::function<Engine()> open;
    EngineEntry entry;
};

// How engines are opened; the arguments are those of `load`.
struct Opening {
    std::string target = "auto";
    std::optional<int> threads = {};                     // for one engine's run
    std::optional<std::int64_t> vae_memory = {};         // budget in bytes for runs of the VAE
    std::shared_ptr<EngineMemory> engine_memory = {};    // budget for the open engines; null keeps all open
    Machine machine = this_machine(library_versions());  // that engines have to be valid on
    OpenSession open_session = [](const auto& path, auto target, const auto& options) {
        return latentlink::open_session(path, target, options);
    };

    // Throws UsageError: the target is unknown, or a number is not in its range.
    void check() const;

    // Which engine of a component would run on this machine; nothing is opened.
    // Throws PreflightError: none can run here; BundleError: a fingerprint was edited.
    Decision decide(const ComponentSource& source) const;

    // Open the engine of a component that is to run on this machine.
    // Throws PreflightError: none can run here; BundleError: it is damaged, or its fingerprint was edited; UsageError:
    // it is larger than the engine budget, or the VAE budget cannot be kept with it.
    OpenedEngine best(const ComponentSource& source) const;

    // What opens an engine of a wider number range than this one's; none if the bundle has none.
    // Throws UsageError: it is larger than the engine budget.
    std::optional<WiderEngine> wider(const OpenedEngine& opened) const;

    // Open one engine of a component. Throws as `best`.
    Engine open(const ComponentSource& source, const EngineEntry& entry) const;
};

// The decision to go without a shallow denoiser, as there is none for the target of the whole one.
Decision no_step_cache(const ComponentSource& source, std::string_view target);

// A session that is closed at the end of a block.
class Closing {
  public:
    explicit Closing(SessionPtr session) : session_(std::move(session)) {}
    ~Closing() { session_->close(); }
    Closing(const Closing&) = delete;
    Closing& operator=(const Closing&) = delete;

    const SessionPtr& get() const { return session_; }

  private:
    SessionPtr session_;
};

// Close engines that are no longer needed.
void close_all(std::span<const OpenedEngine> engines);

}  // namespace latentlink
