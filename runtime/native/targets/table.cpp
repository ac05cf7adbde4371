#include "targets/table.h"

#include <algorithm>

namespace latentlink {
namespace {

// All of these bring ONNX Runtime's library for Python; the one that was installed last provides it.
const Package ONNXRUNTIME{
    .title = "onnxruntime",
    .distributions = {"onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml",
                      "onnxruntime-rocm", "onnxruntime-migraphx", "onnxruntime-qnn", "onnxruntime-training"},
    .install = "pip install onnxruntime"};
const Package ONNXRUNTIME_GPU{.title = "onnxruntime-gpu",
                              .distributions = {"onnxruntime-gpu"},
                              .install = "pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"};
const Package TENSORRT{
    .title = "TensorRT",
    .distributions = {"tensorrt", "tensorrt-cu13-bindings", "tensorrt-cu12-bindings", "tensorrt-cu13", "tensorrt-cu12"},
    .install = "pip install tensorrt",
    .pin = "pip install tensorrt=={}"};
// What onnxruntime-gpu is linked with; `pip install tensorrt` brings version 11.
const Package TENSORRT_10{.title = TENSORRT.title,
                          .distributions = TENSORRT.distributions,
                          .install = "pip install 'tensorrt<11'",
                          .pin = TENSORRT.pin,
                          .soname = "libnvinfer.so.10"};
const Package TENSORRT_RTX{
    .title = "TensorRT-RTX",
    .distributions = {"tensorrt-rtx-cu13-bindings", "tensorrt-rtx-cu12-bindings", "tensorrt-rtx"},
    .install = "pip install 'latentlink[tensorrt-rtx]'",
    .pin = "pip install tensorrt-rtx-cu13-bindings=={0} tensorrt-rtx-cu13-libs=={0}"};
const Package NV_RTX_PROVIDER{
    .title = "onnxruntime-ep-nv-tensorrt-rtx",
    .distributions = {"onnxruntime-ep-nv-tensorrt-rtx-cu13", "onnxruntime-ep-nv-tensorrt-rtx-cu12"},
    .install = "pip install onnxruntime-ep-nv-tensorrt-rtx",
    .pin = "pip install onnxruntime-ep-nv-tensorrt-rtx=={}"};
const Package OPENVINO{
    .title = "OpenVINO", .distributions = {"openvino"}, .install = "pip install 'latentlink[openvino]'"};

const std::vector<std::string_view> BFLOAT16 = {"avx512_bf16", "amx_bf16"};

const std::vector<Target> TARGETS = {
    {.name = "tensorrt",
     .file = "model.plan",
     .packages = {TENSORRT},
     .gpu = true,
     .local = true,
     .profiles = true,
     .systems = false},
    {.name = "tensorrt-rtx",
     .file = "model.plan",
     .packages = {TENSORRT_RTX},
     .gpu = true,
     .profiles = true,
     .kinds = {"7.5", "8.0", "8.6", "8.9", "12.0", "12.1"}},
    {.name = "ort-tensorrt",
     .file = "model.onnx",
     .packages = {ONNXRUNTIME_GPU, TENSORRT_10},
     .gpu = true,
     .local = true,
     .profiles = true,
     .systems = false},
    {.name = "ort-nv-rtx",
     .file = "model.onnx",
     .packages = {ONNXRUNTIME, NV_RTX_PROVIDER},
     .gpu = true,
     .local = true,
     .profiles = true},
    {.name = "ort-cuda", .file = "model.onnx", .packages = {ONNXRUNTIME_GPU}, .gpu = true},
    // On other processors OpenVINO takes bfloat16 graphs too, but computes them in float32: slower, and other pictures.
    {.name = "openvino-cpu",
     .file = "model.xml",
     .packages = {OPENVINO},
     .instructions = {{"bfloat16", BFLOAT16}, {"int8+bfloat16", BFLOAT16}}},
    {.name = "ort-cpu", .file = "model.onnx", .packages = {ONNXRUNTIME}},
};

}  // namespace

std::span<const Target> targets() { return TARGETS; }

const Target* target_named(std::string_view name) {
    const auto found = std::ranges::find(TARGETS, name, &Target::name);
    return found == TARGETS.end() ? nullptr : &*found;
}

std::optional<std::string_view> target_for_file(std::string_view suffix) {
    const auto reads = [&](const Target& target) { return !target.gpu && target.file.ends_with(suffix); };
    const auto found = std::ranges::find_if(TARGETS, reads);
    return found == TARGETS.end() ? std::nullopt : std::optional(found->name);
}

}  // namespace latentlink
