// The errors that a user can get, each with the exit status of the command line: the classes of latentlink/errors.py.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace latentlink {

// Exit statuses of the command line, and results of the C interface.
enum class Status {
    done = 0,
    failed = 1,  // a failure of the machine: disk full, permission denied, out of memory
    usage = 2,
    link_refused = 3,
    bundle_damaged = 4,
    engine_not_valid_here = 5,
    output_failed_guard = 6,
    interrupted = 130,
};

// Base of all errors raised on purpose. `message` says in one sentence what was received and what was expected,
// `remedy` what to do; `what()` is both.
class Error : public std::exception {
  public:
    Error(Status status, std::string message, std::string remedy = "")
        : status_(status), message_(std::move(message)), remedy_(std::move(remedy)),
          text_(remedy_.empty() ? message_ : message_ + " " + remedy_) {}

    Status status() const noexcept { return status_; }
    const std::string& message() const noexcept { return message_; }
    const std::string& remedy() const noexcept { return remedy_; }
    const char* what() const noexcept override { return text_.c_str(); }

  private:
    Status status_;
    std::string message_, remedy_, text_;
};

// An error of one status: a class of its own, to be caught apart from the others.
template <Status S>
class ErrorOf : public Error {
  public:
    explicit ErrorOf(std::string message, std::string remedy = "") : Error(S, std::move(message), std::move(remedy)) {}
};

using UsageError = ErrorOf<Status::usage>;                      // an argument is not what the operation accepts
using LinkError = ErrorOf<Status::link_refused>;                // what one engine writes is not what the other reads
using BundleError = ErrorOf<Status::bundle_damaged>;            // a bundle is damaged, or contradicts its engines
using PreflightError = ErrorOf<Status::engine_not_valid_here>;  // no engine of the bundle is valid on this machine
using MachineError = ErrorOf<Status::failed>;                   // a file or device of this machine failed
using Cancelled = ErrorOf<Status::interrupted>;                 // the caller cancelled the run

// The result of a stage is not a valid latent or picture of this model: NaN, far out of range, flat, or noise.
class GuardError final : public ErrorOf<Status::output_failed_guard> {
  public:
    struct Finding {
        std::string message;  // what was found and what was expected
        std::string stage;    // the component that wrote it, or the argument that held it
        std::vector<std::pair<std::string, double>> numbers;  // the measured numbers and their limits, by name
        std::string cause;                                    // the likely cause
        std::string remedy = {};
        // By name, the settings of this request that may explain it, with their values as text.
        std::vector<std::pair<std::string, std::string>> unusual = {};
    };

    explicit GuardError(Finding finding)
        : ErrorOf(finding.cause.empty() ? finding.message : finding.message + " " + finding.cause, finding.remedy),
          finding_(std::move(finding)) {}

    const Finding& finding() const noexcept { return finding_; }

  private:
    Finding finding_;
};

}  // namespace latentlink
