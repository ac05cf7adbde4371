#include "step_double.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <stdexcept>

namespace latentlink {

namespace {

const std::string DIGEST = "00000000";

Port port_of(std::string kind, std::string name, std::vector<std::pair<char, int>> layout, std::vector<Dim> shape,
             DType dtype = DType::float32) {
    return {.kind = std::move(kind),
            .name = std::move(name),
            .layout = std::move(layout),
            .dtype = dtype,
            .digest = DIGEST,
            .shape = std::move(shape)};
}

const Port TEXT = port_of("text", "words", {{'d', 8}}, {"N", "S", std::int64_t{8}});
const Port SIZE = port_of("condition", "size", {{'k', 2}}, {"N", std::int64_t{2}});
const Port FEATURE = port_of("feature", "deep", {{'c', 2}, {'f', 16}, {'k', 1}}, {"N", std::int64_t{2}, "h", "w"});
const Port MASK = port_of("mask", "repaint", {{'f', 8}}, {"B", std::int64_t{1}, "h", "w"});
const Port ROW = port_of("coefficients", "step", {{'k', 15}}, {"B", std::int64_t{15}});

std::size_t column(std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(COEFFICIENTS, name) - COEFFICIENTS.begin());
}

std::set<std::string> tensors_of(std::span<const Port> ports) {
    std::set<std::string> tensors;
    for (const Port& port : ports) tensors.insert(port.tensor());
    return tensors;
}

std::set<std::string> tensors_of(const Buffers& buffers) {
    std::set<std::string> tensors;
    for (const auto& [tensor, buffer] : buffers) tensors.insert(tensor);
    return tensors;
}

void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

// One step of every picture.
class Step {
  public:
    Step(const std::string& kind, const Port& latent, const Buffers& inputs, std::span<const Port> ports);

    void write(Session& session, const Buffers& outputs) const;

  private:
    bool reads(const std::string& tensor) const { return inputs_.contains(tensor); }
    Array of(const std::string& tensor) const { return inputs_.at(tensor)->host().to(DType::float32); }
    Array latent(std::string_view slot) const { return of(latent_.at(slot).tensor()); }
    float c(std::size_t b, std::string_view name) const { return rows_.as<float>()[b * 15 + column(name)]; }
    std::vector<float> blended() const;                                     // y
    std::vector<float> network(std::size_t row, std::span<const float> y);  // m of one row of text
    std::vector<float> guided(std::size_t b, std::span<const float> y);     // m of one picture
    void solve(std::size_t b, std::span<const float> y, std::span<const float> m);

    std::string kind_;
    Port latent_;
    const Buffers& inputs_;
    std::string guidance_;
    Array rows_, x_, text_, made_, denoised_, deep_;
    std::size_t B_, N_, plane_, count_;  // pictures, rows of text, elements of a channel, elements of a latent
};

Step::Step(const std::string& kind, const Port& latent, const Buffers& inputs, std::span<const Port> ports)
    : kind_(kind), latent_(latent), inputs_(inputs), rows_(of(ROW.tensor())), x_(this->latent("x")),
      text_(of(TEXT.tensor())), made_(DType::float32, x_.shape()), denoised_(DType::float32, x_.shape()),
      B_(static_cast<std::size_t>(x_.size(0))), N_(static_cast<std::size_t>(text_.size(0))),
      plane_(static_cast<std::size_t>(x_.size(2) * x_.size(3))), count_(4 * plane_) {
    for (const Port& port : ports) {
        if (port.kind == "guidance") guidance_ = port.tensor();
    }
    deep_ = reads(FEATURE.tensor()) ? of(FEATURE.tensor())
                                    : Array(DType::float32, {text_.size(0), 2, x_.size(2) / 2, x_.size(3) / 2});
    const std::vector<float> y = blended();
    for (std::size_t b = 0; b < B_; ++b) {
        const auto own = std::span(y).subspan(b * count_, count_);
        solve(b, own, guided(b, own));
    }
}

std::vector<float> Step::blended() const {
    const auto x = x_.as<float>();
    std::vector<float> y(x.begin(), x.end());
    if (!reads(latent_.at("init").tensor())) return y;
    const Array init = latent("init"), noise = latent("initnoise"), mask = of(MASK.tensor());
    for (std::size_t i = 0; i < y.size(); ++i) {
        const std::size_t b = i / count_;
        const float keep = 1 - mask.as<float>()[b * plane_ + i % plane_];
        const float around =
            (c(b, "keep") - 1) * x[i] + c(b, "init") * init.as<float>()[i] + c(b, "renoise") * noise.as<float>()[i];
        y[i] = x[i] + keep * around;
    }
    return y;
}

std::vector<float> Step::network(std::size_t row, std::span<const float> y) {
    const std::size_t b = row % B_, width = static_cast<std::size_t>(x_.size(3)), half = width / 2;
    const std::size_t tokens = static_cast<std::size_t>(text_.size(1));
    const auto text = text_.as<float>().subspan(row * tokens * 8, tokens * 8);
    const auto deep = deep_.as<float>().subspan(row * plane_ / 2, plane_ / 2);
    const bool writes = !reads(FEATURE.tensor());
    std::vector<float> m(count_);
    for (std::size_t i = 0; i < count_; ++i) {
        const std::size_t channel = i / plane_, h = i % plane_ / width, w = i % width;
        const float v = c(b, "c_in") * y[i];
        const std::size_t place = channel * plane_ / 4 + h / 2 * half + w / 2;
        if (writes && channel < 2 && h % 2 == 0 && w % 2 == 0) deep[place] = v * 0.5F;
        m[i] = v * (kind_ == "shallow" ? 0.8F : 0.9F) + c(b, "t") * 0x1p-14F;
        m[i] += text[channel] * 0.125F + text[(tokens - 1) * 8 + 4 + channel] * 0.0625F;
    }
    for (std::size_t i = 0; i < count_; ++i) {
        if (reads(SIZE.tensor())) {
            const Array size = of(SIZE.tensor());
            m[i] += size.as<float>()[row * 2] * 0.01F - size.as<float>()[row * 2 + 1] * 0.02F;
        }
        if (kind_ == "cfg" || kind_ == "shallow") m[i] += deep[i % plane_ / width / 2 * half + i % width / 2] * 0.1F;
        if (kind_ == "masked") {
            const float own = latent("masked").as<float>()[b * count_ + i] * 0.25F;
            m[i] += own + of(MASK.tensor()).as<float>()[b * plane_ + i % plane_] * 0.5F;
        }
    }
    return m;
}

std::vector<float> Step::guided(std::size_t b, std::span<const float> y) {
    if (N_ == B_) {
        std::vector<float> m = network(b, y);
        if (kind_ == "embedded") {
            for (float& one : m) one += of(guidance_).as<float>()[b] * 0.01F;
        }
        return m;
    }
    const float w = of(guidance_).as<float>()[b];
    std::vector<float> without = network(b, y);
    const std::vector<float> given = network(B_ + b, y);
    for (std::size_t i = 0; i < count_; ++i) without[i] = without[i] + w * (given[i] - without[i]);
    return without;
}

void Step::solve(std::size_t b, std::span<const float> y, std::span<const float> m) {
    std::vector<Array> history;
    for (int age = 1; age <= HISTORY; ++age) history.push_back(latent("history" + std::to_string(age)));
    const Array noise = latent("noise");
    for (std::size_t i = 0; i < count_; ++i) {
        const std::size_t place = b * count_ + i;
        const float D = c(b, "p") * y[i] + c(b, "q") * m[i];
        float made = c(b, "a") * y[i] + c(b, "own") * x_.as<float>()[place] + c(b, "b0") * D;
        for (std::size_t age = 0; age < HISTORY; ++age) {
            made += c(b, "b" + std::to_string(age + 1)) * history[age].as<float>()[place];
        }
        made_.as<float>()[place] = made + c(b, "c") * noise.as<float>()[place];
        denoised_.as<float>()[place] = D;
    }
}

void Step::write(Session& session, const Buffers& outputs) const {
    session.write(*outputs.at(latent_.tensor()), made_.to(latent_.dtype));
    session.write(*outputs.at(latent_.at("denoised").tensor()), denoised_.to(latent_.dtype));
    if (kind_ == "cfg") session.write(*outputs.at(FEATURE.tensor()), deep_);
}

}  // namespace

StepDouble::StepDouble(std::string kind, DType dtype, Json& calls)
    : kind_(std::move(kind)), calls_(&calls),
      latent_(port_of("latent", "one", {{'c', 4}, {'f', 8}}, {"B", std::int64_t{4}, "h", "w"}, dtype)), text_(TEXT) {
    std::vector<std::string> slots = {"x", "noise", "history1", "history2", "history3", "history4"};
    if (kind_ == "masked") slots.emplace_back("masked");
    if (kind_ != "masked" && kind_ != "unguided") slots.insert(slots.end(), {"init", "initnoise"});
    for (const std::string& slot : slots) inputs_.push_back(latent_.at(slot));
    inputs_.insert(inputs_.end(), {ROW, TEXT});
    if (kind_ == "cfg" || kind_ == "shallow") inputs_.push_back(SIZE);
    if (kind_ != "unguided") {
        inputs_.push_back(port_of("guidance", kind_ == "embedded" ? "embedded" : "cfg", {{'k', 1}}, {"B"}));
        inputs_.push_back(MASK);
    }
    if (kind_ == "shallow") inputs_.push_back(FEATURE);
    outputs_ = {latent_, latent_.at("denoised")};
    if (kind_ == "cfg") outputs_.push_back(FEATURE);
}

BufferPtr StepDouble::empty(const Shape& shape, DType dtype) {
    Array sevens(dtype, shape);  // which nobody may read
    std::memset(sevens.bytes().data(), 7, sevens.bytes().size());
    return std::make_shared<PaperBuffer>(sevens);
}

void StepDouble::write(Buffer& buffer, const Array& array) {
    auto& into = dynamic_cast<PaperBuffer&>(buffer).array;
    require(into.shape() == array.shape() && into.dtype() == array.dtype(), "what is written fits the buffer");
    std::ranges::copy(array.bytes(), into.bytes().begin());
}

BufferPtr StepDouble::gather(const BufferPtr& buffer, std::span<const int> rows, const Shape& shape) {
    const Array found = buffer->host();
    const Array none(found.dtype(), {shape.begin() + 1, shape.end()});
    const Array whole = found.reshaped([&] {
        Shape all = shape;
        all[0] = static_cast<std::int64_t>(found.count() / none.count());
        return all;
    }());
    std::vector<Array> picked;
    for (const int row : rows) picked.push_back(row < 0 ? none : whole.row(static_cast<std::size_t>(row)));
    return std::make_shared<PaperBuffer>(stack(picked));
}

Buffers StepDouble::run(const Buffers& inputs, const Buffers& outputs) {
    require(tensors_of(inputs) == tensors_of(inputs_), "a run has every input, and no other");
    require(tensors_of(outputs) == tensors_of(outputs_), "a run has every output, and no other");
    const Step step(kind_, latent_, inputs, inputs_);
    calls_->push_back(
        {kind_, inputs.at(latent_.at("x").tensor())->shape().at(0), inputs.at(TEXT.tensor())->shape().at(0)});
    step.write(*this, outputs);
    return outputs;
}

}  // namespace latentlink
