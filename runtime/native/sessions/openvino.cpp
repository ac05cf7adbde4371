#include "sessions/openvino.h"

#include <algorithm>
#include <array>
#include <new>

#include "sessions/clock.h"
#include "sessions/host_session.h"
#include "sessions/readback.h"
#include "targets/openvino_engine.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::string_view REBUILD = "Build the bundle again: latentlink build EXPORTED BUNDLE.";

// Parts of out-of-memory messages of the C++ library, of the kernel and of oneDNN.
constexpr std::array<std::string_view, 3> NO_MEMORY = {"bad_alloc", "Cannot allocate memory", "out of memory"};

// A type of OpenVINO that ports have.
struct Type {
    ov::element::Type_t type;
    DType dtype;
};

constexpr Type TYPES[] = {
    {ov::element::f32, DType::float32}, {ov::element::f16, DType::float16}, {ov::element::u8, DType::uint8},
    {ov::element::i32, DType::int32},   {ov::element::i64, DType::int64},
};

std::optional<DType> dtype_of_type(const ov::element::Type& type) {
    const auto* found = std::ranges::find(TYPES, ov::element::Type_t(type), &Type::type);
    return found == std::end(TYPES) ? std::nullopt : std::optional(found->dtype);
}

// An OpenVINO engine with its state in host memory.
class OpenVinoSession final : public HostSession {
  public:
    OpenVinoSession(const std::filesystem::path& path, const SessionOptions& options);
    ~OpenVinoSession() override {
        close_quietly();
        if (forked()) keep_for_ever(std::move(engine_));
    }

    const std::vector<Port>& inputs() const override { return inputs_; }
    const std::vector<Port>& outputs() const override { return outputs_; }

    // Empty: the engine is not split into nodes.
    std::map<std::string, int> placement() const override { return {}; }

    // Drop the kernels that were compiled for the sizes of earlier runs, and their copies of the weights.
    void trim() override;

  protected:
    Buffers run_open(const Buffers& inputs, const Buffers& outputs) override;
    void release() override { engine_ = nullptr; }

  private:
    Port port_of(const ov::Output<ov::Node>& value, const std::filesystem::path& path) const;
    void check_shape(const std::string& name, const Shape& found) const;
    Buffers infer(const Buffers& inputs, const Buffers& outputs);

    // Throw what stands for an error of OpenVINO. Throws std::bad_alloc, BundleError.
    [[noreturn]] void fail(std::string_view words, std::string_view how) const;

    std::unique_ptr<OpenVinoEngine> engine_;
    std::vector<Port> inputs_, outputs_;
};

OpenVinoSession::OpenVinoSession(const std::filesystem::path& path, const SessionOptions& options)
    : HostSession(engine_title(path)) {
    try {
        engine_ = std::make_unique<OpenVinoEngine>(path, options.threads, options.low_memory);
    } catch (const std::exception& error) {
        fail(error.what(), "cannot be opened by OpenVINO");
    }
    for (const auto& value : engine_->inputs()) inputs_.push_back(port_of(value, path));
    for (const auto& value : engine_->outputs()) outputs_.push_back(port_of(value, path));
}

// The port of one of the engine's own tensors, whose free dimensions have no names.
Port OpenVinoSession::port_of(const ov::Output<ov::Node>& value, const std::filesystem::path& path) const {
    const std::vector<std::string> names = tensor_names(value);
    if (names.size() != 1) {
        const std::vector<std::string_view> listed(names.begin(), names.end());
        throw BundleError(
            "A tensor of the engine " + title() + " carries the symbols " + joined(listed) + "; expected one.",
            std::string(REBUILD));
    }
    std::vector<Dim> shape;
    for (const ov::Dimension& size : value.get_partial_shape()) {
        shape.push_back(size.is_static() ? Dim(size.get_length()) : Dim("d" + std::to_string(shape.size())));
    }
    const ov::element::Type type = value.get_element_type();
    return read_port(path, names[0], std::move(shape), dtype_of_type(type), type.get_type_name());
}

void OpenVinoSession::trim() {
    if (forked()) return;
    const std::lock_guard held(turn);
    if (engine_ != nullptr) engine_->trim();
}

// Refuse a shape that the engine was not built for.
void OpenVinoSession::check_shape(const std::string& name, const Shape& found) const {
    const auto port = std::ranges::find(inputs_, name, &Port::tensor);
    if (port == inputs_.end()) fail(repr(name), "failed");
    const auto fits = [](const Dim& wanted, std::int64_t size) {
        return std::holds_alternative<std::string>(wanted) || std::get<std::int64_t>(wanted) == size;
    };
    if (std::ranges::equal(port->shape, found, fits)) return;
    std::string wanted;
    for (const Dim& dim : port->shape) {
        const auto* size = std::get_if<std::int64_t>(&dim);
        wanted += (wanted.empty() ? "" : ", ") + (size == nullptr ? "any" : std::to_string(*size));
    }
    throw UsageError("The engine " + title() + " was built for " + name + " of shape [" + wanted + "], but received " +
                         shown_shape(found) + ".",
                     "Use a size it was built for, or build the bundle for this one: latentlink build EXPORTED BUNDLE "
                     "--width --height --batch.");
}

Buffers OpenVinoSession::run_open(const Buffers& inputs, const Buffers& outputs) {
    for (const auto& [name, buffer] : inputs) check_shape(name, buffer->shape());
    try {
        return infer(inputs, outputs);
    } catch (const std::exception& error) {
        fail(error.what(), "failed");
    }
}

// A buffer's memory as a tensor of OpenVINO.
ov::Tensor tensor_over(HostBuffer& buffer) {
    const auto* type = std::ranges::find(TYPES, buffer.dtype(), &Type::dtype);
    if (type == std::end(TYPES)) throw std::runtime_error("no tensor of " + std::string(name_of(buffer.dtype())));
    return {type->type, ov::Shape(buffer.shape().begin(), buffer.shape().end()), buffer.data()};
}

// A tensor that OpenVINO made, as a buffer that keeps it.
BufferPtr buffer_over(ov::Tensor made) {
    const auto owner = std::make_shared<ov::Tensor>(std::move(made));
    const ov::Shape& sizes = owner->get_shape();
    const std::optional<DType> dtype = dtype_of_type(owner->get_element_type());
    if (!dtype) throw std::runtime_error("no port has the type " + owner->get_element_type().get_type_name());
    return std::make_shared<HostBuffer>(Array::over(owner, owner->data(), *dtype, Shape(sizes.begin(), sizes.end())));
}

Buffers OpenVinoSession::infer(const Buffers& inputs, const Buffers& outputs) {
    const auto shape_of = [&inputs](const std::string& name) -> const Shape& { return inputs.at(name)->shape(); };
    CompiledModel& compiled = engine_->compile_for(shape_of);
    for (const auto& [name, buffer] : inputs) compiled.request.set_tensor(name, tensor_over(host(buffer)));
    std::map<std::string, ov::Tensor> made;
    for (const auto& [name, buffer] : outputs) {
        if (buffer != nullptr) {
            compiled.request.set_tensor(name, tensor_over(host(buffer)));
            continue;
        }
        const auto port = std::ranges::find(outputs_, name, &Port::tensor);
        if (port == outputs_.end()) throw std::runtime_error(repr(name));
        // a free size is 0, and the run enlarges it
        const auto type = std::ranges::find(TYPES, port->dtype, &Type::dtype)->type;
        made.emplace(name, ov::Tensor(type, compiled.initial_shape(name)));
        compiled.request.set_tensor(name, made.at(name));
    }
    {
        const Running counted;
        compiled.infer();
    }
    Buffers written = outputs;
    for (auto& [name, tensor] : made) written[name] = buffer_over(compiled.request.get_tensor(name));
    return written;
}

void OpenVinoSession::fail(std::string_view words, std::string_view how) const {
    if (std::ranges::any_of(NO_MEMORY, [words](std::string_view part) { return words.find(part) != words.npos; })) {
        throw std::bad_alloc();
    }
    throw BundleError("The engine " + title() + " " + std::string(how) + ": " + one_line(words), std::string(REBUILD));
}

}  // namespace

SessionPtr open_openvino(const std::filesystem::path& path, std::string_view, const SessionOptions& options) {
    return std::make_shared<OpenVinoSession>(path, options);
}

void add_openvino_versions(LibraryVersions& versions) {
    const std::string_view build = ov::get_openvino_version().buildNumber;  // "2026.4.1-22200-..."
    versions["openvino"] = std::string(build.substr(0, build.find('-')));
}

}  // namespace latentlink
