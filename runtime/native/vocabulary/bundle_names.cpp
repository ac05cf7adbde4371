#include "vocabulary/bundle_names.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "vocabulary/checks.h"
#include "vocabulary/close_match.h"
#include "vocabulary/files.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

namespace fs = std::filesystem;

constexpr const char* MAKE_ONE =
    "Make one: latentlink export CHECKPOINT EXPORTED, then latentlink build EXPORTED BUNDLE.";

constexpr int MOST_NEIGHBOURS = 1000;  // folders to look through for a name that was meant
constexpr std::size_t MOST_LISTED = 4;
constexpr double CUTOFF = 0.6;                // difflib's own
constexpr std::size_t METADATA_BYTES = 4096;  // of a safetensors file, in which this program's metadata stand

std::string export_it(const std::string& path) {
    return "Export it: latentlink export " + path + " EXPORTED, then latentlink build EXPORTED BUNDLE.";
}

// What a path is, and what takes it.
struct Kind {
    std::string found, remedy;
};

// By the end of its name, what a file is, and what takes it.
std::optional<Kind> kind_of_suffix(const std::string& suffix, const std::string& path) {
    const auto is_one = [&suffix](std::initializer_list<std::string_view> endings) {
        return std::ranges::find(endings, suffix) != endings.end();
    };
    if (is_one({".onnx", ".plan", ".xml"})) {
        return Kind{"is the file of an engine",
                    "latentlink inspect " + path + " shows it; a bundle is the folder of all."};
    }
    if (is_one({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})) {
        return Kind{"is a picture",
                    "A run starts from it with: latentlink generate BUNDLE PROMPT --init-image " + path + "."};
    }
    if (is_one({".zip", ".tar", ".tgz", ".gz", ".xz", ".zst", ".7z"})) {
        return Kind{"is an archive", "Unpack it first, and name the folder."};
    }
    if (is_one({".safetensors"})) return Kind{"is a file of weights", export_it(path)};
    if (is_one({".ckpt", ".pt", ".pth", ".bin", ".gguf"})) {
        return Kind{"is a file of weights in a form that is not read", "Get the model as .safetensors."};
    }
    return std::nullopt;
}

// Names of the bundles and exports in a folder.
std::vector<std::string> bundles_in(const fs::path& folder) {
    std::vector<std::string> found;
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    for (int seen = 0; !error && entries != fs::directory_iterator() && seen < MOST_NEIGHBOURS; ++seen) {
        if (holds_manifest(entries->path())) found.push_back(entries->path().filename().string());
        entries.increment(error);
    }
    return found;
}

fs::path parent_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : "."; }

// Whether a safetensors file has this program's metadata.
bool holds_latents(const fs::path& path) {
    try {
        std::string text(METADATA_BYTES, '\0');
        text.resize(InputFile(path).read(0, std::as_writable_bytes(std::span(text))));
        return text.find("\"latentlink.symbol\"") != std::string::npos;
    } catch (const MachineError&) {
        return false;
    }
}

Kind kind_of_nothing(const fs::path& path) {
    const std::string name = path.filename().string();
    if (std::ranges::find(SHIPPED, name) != SHIPPED.end()) {
        return {"does not exist", "The bundle of the package is named as text, without a folder: " + name + "."};
    }
    const std::vector<std::string> neighbours = bundles_in(parent_of(path));
    std::vector<std::string_view> names(SHIPPED.begin(), SHIPPED.end());
    names.insert(names.end(), neighbours.begin(), neighbours.end());
    const auto near = close_match(name, names, CUTOFF);
    return {"does not exist", near ? "Did you mean " + repr(*near) + "?" : MAKE_ONE};
}

Kind kind_of_file(const fs::path& path) {
    std::error_code error;
    if (!fs::exists(path, error)) return kind_of_nothing(path);
    if (!fs::is_regular_file(path, error)) return {"is a device, pipe or socket", MAKE_ONE};
    if (path.filename() == MANIFEST) {
        return {"is the manifest of a bundle", "Name its folder: " + repr(parent_of(path).string()) + "."};
    }
    if (path.extension() == ".safetensors" && holds_latents(path)) {
        return {"is a file of latents",
                "A run starts from them with: latentlink generate BUNDLE PROMPT --init-latents " + path.string() + "."};
    }
    return kind_of_suffix(lower(path.extension().string()), path.string()).value_or(Kind{"is a file", MAKE_ONE});
}

bool is_checkpoint(const fs::path& folder) {
    std::error_code error;
    if (fs::is_regular_file(folder / "model_index.json", error)) return true;
    fs::directory_iterator entries(folder, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
        const std::string name = entries->path().filename().string();
        if (name.starts_with("diffusion_pytorch_model") && name.ends_with(".safetensors")) return true;
    }
    return false;
}

// What a folder without a manifest is.
Kind kind_of_folder(const fs::path& path) {
    if (is_checkpoint(path)) return {"is a checkpoint", export_it(path.string())};
    for (fs::path own = fs::absolute(path); own != own.parent_path(); own = own.parent_path()) {
        if (holds_manifest(own.parent_path())) {
            return {"is a folder inside of " + repr(own.parent_path().string()), "Name that one."};
        }
    }
    std::vector<std::string> inside = bundles_in(path);
    if (inside.empty()) return {"is a folder without " + std::string(MANIFEST), MAKE_ONE};
    std::ranges::sort(inside);
    const std::vector<std::string_view> first(
        inside.begin(), inside.begin() + static_cast<std::ptrdiff_t>(std::min(inside.size(), MOST_LISTED)));
    return {"holds no " + std::string(MANIFEST) + ", but the folders " + joined(first) +
                (inside.size() > MOST_LISTED ? ", ..." : "") + " do",
            "Name one of them: " + (path / inside.front()).string() + "."};
}

// `share/latentlink/bundles` of the place that this library, or the program that holds it, is installed to.
fs::path installed_bundles() {
    Dl_info found;
    if (::dladdr(reinterpret_cast<const void*>(&shipped_bundles), &found) == 0 || found.dli_fname == nullptr) return "";
    std::error_code error;
    const fs::path library = fs::canonical(found.dli_fname, error);  // of a program: as it was called
    const fs::path own = error ? fs::canonical("/proc/self/exe", error) : library;
    return own.parent_path().parent_path() / "share/latentlink/bundles";
}

}  // namespace

fs::path shipped_bundles() {
    if (const char* named = std::getenv("LATENTLINK_BUNDLES"); named != nullptr && *named != '\0') return named;
    std::error_code error;
    const fs::path installed = installed_bundles();
    return fs::is_directory(installed, error) ? installed : fs::path(LATENTLINK_SOURCE_BUNDLES);
}

fs::path bundle_path(std::string_view name, std::string_view argument) {
    fs::path path = path_of(argument, name);
    if (std::ranges::find(SHIPPED, name) == SHIPPED.end()) return path;
    fs::path shipped = shipped_bundles() / name;
    std::error_code error;
    if (holds_manifest(name) && !fs::equivalent(path, shipped, error)) {
        throw UsageError(repr(name) +
                             " names a bundle that comes with latentlink, and also one in the working directory; "
                             "expected a name of one bundle.",
                         "Write ./" + std::string(name) +
                             " for the one in the working directory; rename that to use the other here.");
    }
    if (!fs::exists(shipped, error)) {
        throw UsageError(repr(name) + " names a bundle that comes with latentlink, but there is no " +
                             repr(shipped.string()) + "; expected its folder.",
                         "Set LATENTLINK_BUNDLES to the folder that holds it.");
    }
    return shipped;
}

bool holds_manifest(const fs::path& path) {
    std::error_code error;
    return !path.empty() && path.native().find('\0') == std::string::npos &&
           fs::is_regular_file(path / MANIFEST, error);
}

bool names_bundle(std::string_view text) {
    return std::ranges::find(SHIPPED, text) != SHIPPED.end() || holds_manifest(text);
}

UsageError no_bundle(const fs::path& path) {
    std::error_code error;
    const auto [found, remedy] = fs::is_directory(path, error) ? kind_of_folder(path) : kind_of_file(path);
    return UsageError(repr(path.string()) + " " + found + "; expected the folder of a bundle or export.", remedy);
}

}  // namespace latentlink
