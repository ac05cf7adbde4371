// Sessions that are nothing but their ports, or compute with a function.
#pragma once

#include <functional>
#include <stdexcept>

#include "bundle/probes.h"
#include "sessions/session.h"

namespace latentlink {

// A tensor in host memory.
class PlainBuffer final : public Buffer {
  public:
    explicit PlainBuffer(Array array) : array_(std::move(array)) {}
    DType dtype() const override { return array_.dtype(); }
    const Shape& shape() const override { return array_.shape(); }
    Array host() const override { return array_; }

  private:
    Array array_;
};

// An open session with these ports, which runs `compute` and counts what is asked of it.
class Double final : public Session {
  public:
    Double(std::vector<Port> inputs, std::vector<Port> outputs, RunEngine compute = {})
        : inputs_(std::move(inputs)), outputs_(std::move(outputs)), compute_(std::move(compute)) {}

    const std::vector<Port>& inputs() const override { return inputs_; }
    const std::vector<Port>& outputs() const override { return outputs_; }
    BufferPtr upload(const Array& array) override { return std::make_shared<PlainBuffer>(array.clone()); }
    BufferPtr empty(const Shape& shape, DType dtype) override {
        return std::make_shared<PlainBuffer>(Array(dtype, shape));
    }
    void write(Buffer&, const Array&) override { throw std::logic_error("not asked for"); }
    BufferPtr take(const BufferPtr& buffer) override { return buffer; }
    BufferPtr gather(const BufferPtr&, std::span<const int>, const Shape&) override {
        throw std::logic_error("not asked for");
    }

    Buffers run(const Buffers& inputs, const Buffers&) override {
        ++runs;
        Arrays given;
        for (const Port& port : inputs_) given.emplace(port.tensor(), inputs.at(port.tensor())->host());
        Buffers made;
        for (const auto& [tensor, array] : compute_(given)) made[tensor] = std::make_shared<PlainBuffer>(array);
        return made;
    }

    std::map<std::string, int> placement() const override { return {}; }
    void wait() override {}
    void trim() override { ++trims; }
    void close() override { ++closes; }

    int runs = 0, trims = 0, closes = 0;

  private:
    std::vector<Port> inputs_, outputs_;
    RunEngine compute_;
};

}  // namespace latentlink
