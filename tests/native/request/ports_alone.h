// An engine that is nothing but its ports.
#pragma once

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "linking/link.h"

namespace latentlink {

class PortsAlone final : public Session {
  public:
    explicit PortsAlone(std::vector<Port> inputs) : inputs_(std::move(inputs)) {}

    const std::vector<Port>& inputs() const override { return inputs_; }
    const std::vector<Port>& outputs() const override { return outputs_; }
    BufferPtr upload(const Array&) override { throw none(); }
    BufferPtr empty(const Shape&, DType) override { throw none(); }
    void write(Buffer&, const Array&) override { throw none(); }
    BufferPtr take(const BufferPtr&) override { throw none(); }
    BufferPtr gather(const BufferPtr&, std::span<const int>, const Shape&) override { throw none(); }
    Buffers run(const Buffers&, const Buffers&) override { throw none(); }
    std::map<std::string, int> placement() const override { return {}; }
    void wait() override {}
    void trim() override {}
    void close() override {}

  private:
    static std::logic_error none() { return std::logic_error("a session that is nothing but its ports"); }

    std::vector<Port> inputs_, outputs_;
};

inline Engine engine_of(std::vector<Port> inputs, const Json& limits) {
    Engine engine{.component = "denoiser",
                  .bundle = "demo",
                  .session = std::make_shared<PortsAlone>(inputs),
                  .declared = {std::move(inputs), {}}};
    for (const auto& [dim, range] : limits.items()) engine.limits[dim] = range.get<std::array<std::int64_t, 3>>();
    return engine;
}

}  // namespace latentlink
