#include "sessions/gpu/cuda_session.h"

#include <algorithm>
#include <utility>

#include "sessions/readback.h"
#include "vocabulary/errors.h"

namespace latentlink {

namespace {

// Largest number of runs whose times are not added up yet.
constexpr std::size_t TIMED = 64;

DeviceBuffer& on_device(Buffer& buffer) {
    auto* found = dynamic_cast<DeviceBuffer*>(&buffer);
    if (found == nullptr) throw std::invalid_argument("a session only reads buffers that it made or took");
    return *found;
}

DTypes types_of(const std::vector<Port>& ports) {
    DTypes types;
    for (const Port& port : ports) types[port.tensor()] = port.dtype;
    return types;
}

template <typename Map>
std::string names_of(const Map& map) {
    std::string names;
    for (const auto& [name, unused] : map) names += (names.empty() ? "" : ", ") + name;
    return names;
}

}  // namespace

CudaSession::CudaSession(Cuda& cuda, std::string title, std::vector<Port> inputs, std::vector<Port> outputs)
    : SharedSession(std::move(title)), cuda(cuda), inputs_(std::move(inputs)), outputs_(std::move(outputs)),
      reads_(types_of(inputs_)), writes_(types_of(outputs_)) {
    cuda.join();
}

BufferPtr CudaSession::upload(const Array& array) {
    auto made = std::make_shared<DeviceBuffer>(cuda, array.shape(), array.dtype());
    made->write(array);
    return made;
}

BufferPtr CudaSession::empty(const Shape& shape, DType dtype) {
    return std::make_shared<DeviceBuffer>(cuda, shape, dtype);
}

void CudaSession::write(Buffer& buffer, const Array& array) { on_device(buffer).write(array); }

BufferPtr CudaSession::take(const BufferPtr& buffer) {
    return std::dynamic_pointer_cast<DeviceBuffer>(buffer) ? buffer : upload(buffer->host());
}

BufferPtr CudaSession::gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) {
    return on_device(*buffer).gather(rows, shape);
}

void CudaSession::wait() {
    if (forked()) return;
    const AccountPtr account = this_account();
    const auto unfinished = [&account](const Run& run) { return run.account == account; };
    const double began = perf_counter(), counted = account->engines + account->waited;
    {
        const Cuda::Hold held(cuda);
        while (std::ranges::any_of(runs_, unfinished)) add_oldest();
    }
    // the rest of the time, the GPU ran for other threads
    account->waited += std::max(0.0, perf_counter() - began - (account->engines + account->waited - counted));
}

void CudaSession::add_oldest() {
    const Run run = std::move(runs_.front());
    runs_.pop_front();
    run.account->engines += cuda.seconds(run.begin, run.end);
}

CudaSession::Timing::~Timing() {
    try {
        session_.runs_.push_back({this_account(), begin_, session_.cuda.mark()});
    } catch (...) {  // the GPU failed, which the next call reports
    }
}

Buffers CudaSession::run_open(const Buffers& inputs, const Buffers& outputs) {
    const DeviceBuffers feeds = check_buffers("reads", reads_, inputs);
    const double began = perf_counter();
    const Cuda::Hold held(cuda);
    Clock::waited_since(began);
    const DeviceBuffers written = enqueue(feeds, outputs);
    for (const auto& [name, buffer] : written) buffer->changed();
    if (runs_.size() > TIMED) add_oldest();
    return {written.begin(), written.end()};
}

DeviceBuffers CudaSession::check_buffers(std::string_view verb, const DTypes& types, const Buffers& received) const {
    const auto key = [](const auto& pair) -> const std::string& { return pair.first; };
    if (!std::ranges::equal(types, received, {}, key, key)) {
        throw BundleError("The engine " + title() + " " + std::string(verb) + " " + names_of(types) +
                          ", but received " + names_of(received) + ".");
    }
    DeviceBuffers buffers;
    for (const auto& [name, dtype] : types) {
        auto buffer = std::dynamic_pointer_cast<DeviceBuffer>(received.at(name));
        if (buffer == nullptr) throw std::invalid_argument("a session only reads buffers that it made or took");
        if (buffer->dtype() != dtype) {
            throw UsageError("The engine " + title() + " " + std::string(verb) + " " + name + " as " +
                             std::string(name_of(dtype)) + ", but received " + std::string(name_of(buffer->dtype())) +
                             ".");
        }
        buffers[name] = std::move(buffer);
    }
    return buffers;
}

DeviceBuffers CudaSession::complete(const Buffers& outputs, const WrittenByName& written) const {
    Buffers whole = outputs;
    for (const auto& [name, made] : written) {
        if (BufferPtr& buffer = whole[name]; buffer == nullptr) {
            buffer = std::make_shared<DeviceBuffer>(cuda, made.shape, made.dtype);
        }
    }
    DeviceBuffers checked = check_buffers("writes", writes_, whole);
    for (const auto& [name, made] : written) {
        const Shape& found = checked.at(name)->shape();
        if (found == made.shape) continue;
        throw UsageError("The engine " + title() + " writes " + name + " of shape " + shown_shape(made.shape) +
                         ", but received a buffer of shape " + shown_shape(found) + " for it.");
    }
    return checked;
}

void CudaSession::release() {
    const Cuda::Hold held(cuda);
    try {
        cuda.synchronize();
        while (!runs_.empty()) add_oldest();
    } catch (const MachineError&) {  // after a GPU failure every call fails; it was reported when it occurred
    }
    give_back();
    try {
        cuda.leave();
    } catch (const MachineError&) {
    }
}

}  // namespace latentlink
