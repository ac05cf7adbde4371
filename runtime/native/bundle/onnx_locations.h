// Find the files that an ONNX file refers to: the `location` of external tensors, and engines of EPContext nodes.
//
// It works without ONNX, by a bounded walk over the protobuf bytes. It enters only messages that can hold a tensor and
// skips everything else, including weights, so that its time depends on the graph and not on the file's size. Field
// numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace latentlink {

// The names of all files that the ModelProto in `path` refers to.
//
// These are the `location` values of all tensors (initialisers, sparse tensors, attributes, subgraphs, functions and
// training graphs), and the names in EPContext nodes: `ep_cache_context` unless `embed_mode` is 1 (its default), and
// `onnx_model_filename`. A parser takes the last of repeated fields; this function returns every value, so that no
// parser can see a name that was not checked. An entry or attribute without a value is an empty name, as for a parser.
//
// Throws BundleError: the bytes are not a protobuf message, nest deeper than 100 or have too many fields; a node
// repeats a graph; or an EPContext node has an attribute that refers to an argument of its function, or an engine
// without weights. Throws MachineError: the file cannot be read.
std::set<std::string> external_locations(const std::filesystem::path& path);

}  // namespace latentlink
