// A denoiser on paper: the step's formula around a network of a few sums, in float32. tests/vectors/step_double.py is
// the same: every number is made by the same operations in the same order, so that both runtimes make the same bits.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sessions/session.h"
#include "vocabulary/json.h"

namespace latentlink {

// A buffer in host memory.
struct PaperBuffer final : Buffer {
    explicit PaperBuffer(Array numbers) : array(std::move(numbers)) {}
    DType dtype() const override { return array.dtype(); }
    const Shape& shape() const override { return array.shape(); }
    Array host() const override { return array; }

    Array array;
};

// A session of a kind (`cfg`, its `shallow` one, `embedded`, `unguided`, or one that is `masked`), which writes down
// what it was run with: the kind, the rows of x, and the rows of text.
class StepDouble final : public Session {
  public:
    StepDouble(std::string kind, DType dtype, Json& calls);

    const std::vector<Port>& inputs() const override { return inputs_; }
    const std::vector<Port>& outputs() const override { return outputs_; }
    BufferPtr upload(const Array& array) override { return std::make_shared<PaperBuffer>(array.clone()); }
    BufferPtr empty(const Shape& shape, DType dtype) override;
    void write(Buffer& buffer, const Array& array) override;
    BufferPtr take(const BufferPtr& buffer) override { return buffer; }
    BufferPtr gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) override;
    Buffers run(const Buffers& inputs, const Buffers& outputs) override;
    std::map<std::string, int> placement() const override { return {}; }
    void wait() override { ++waits_; }
    void trim() override {}
    void close() override {}

    const Port& latent() const { return latent_; }
    std::string text() const { return text_.tensor(); }
    int waits() const { return waits_; }

  private:
    std::string kind_;
    Json* calls_;
    Port latent_, text_;
    std::vector<Port> inputs_, outputs_;
    int waits_ = 0;
};

}  // namespace latentlink
