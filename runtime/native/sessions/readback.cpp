#include "sessions/readback.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <utility>

#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

Port parse(const std::filesystem::path& path, std::string_view name, std::vector<Dim> shape) {
    try {
        return Port::parse(name, std::move(shape));
    } catch (const UsageError&) {
        throw BundleError(
            "The engine " + path.filename().string() + " has a tensor " + repr(name) + " that carries no symbol.",
            "Export and build it with latentlink: a graph from elsewhere says nothing of its latent space.");
    }
}

}  // namespace

Port read_port(const std::filesystem::path& path, std::string_view name, std::vector<Dim> shape,
               std::optional<DType> dtype, std::string_view described) {
    Port port = parse(path, name, std::move(shape));
    if (dtype != port.dtype) {
        throw BundleError("The tensor " + repr(name) + " of the engine " + path.filename().string() + " is " +
                              std::string(described) + ", but its name says " + std::string(name_of(port.dtype)) + ".",
                          "The engine was tampered with: build it again.");
    }
    return port;
}

std::string engine_title(const std::filesystem::path& path) {
    std::vector<std::string> parts;
    std::ranges::transform(path, std::back_inserter(parts), [](const auto& part) { return part.string(); });
    std::string title;
    for (std::size_t i = parts.size() > 3 ? parts.size() - 3 : 0; i < parts.size(); ++i) {
        title += (title.empty() ? "" : "/") + parts[i];
    }
    return title;
}

std::string shown_shape(std::span<const std::int64_t> shape) {
    std::string text;
    for (const auto size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
    return "[" + text + "]";
}

std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
        if (space && (line.empty() || line.back() == ' ')) continue;
        line += space ? ' ' : c;
    }
    if (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
}

}  // namespace latentlink
