#include "bundle/bundle.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "bundle/onnx_locations.h"
#include "bundle/record_checks.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/checks.h"
#include "vocabulary/sha256.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t MAX_LOCATION = 200;  // characters of a location that a message shows

using Files = std::map<std::string, FileEntry, std::less<>>;

// The bytes of the manifest.
std::string manifest_bytes(const fs::path& root) {
    const fs::path path = below(root, MANIFEST);
    std::error_code none;
    if (!fs::is_directory(root, none) || fs::symlink_status(path, none).type() == fs::file_type::not_found) {
        throw no_bundle(root);
    }
    const Descriptor opened = open_regular(path);
    const std::uint64_t size = size_of(opened, path);
    if (size > MAX_MANIFEST_BYTES) {
        throw BundleError(repr(path.string()) + " has " + std::to_string(size) + " bytes; expected at most " +
                              std::to_string(MAX_MANIFEST_BYTES) + ".",
                          DAMAGED_REMEDY);
    }
    return read_all(opened, path, MAX_MANIFEST_BYTES + 1);
}

Manifest read_manifest(const fs::path& root, std::string_view bytes) {
    try {
        return Manifest::from_bytes(bytes);
    } catch (const BundleError& error) {
        throw BundleError(repr(root.string()) + ": " + error.message(), error.remedy());
    }
}

// All folders of listed files.
std::set<std::string_view> folders_of(const Files& files) {
    std::set<std::string_view> folders;
    for (const auto& [path, entry] : files) {
        for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
            folders.insert(std::string_view(path).substr(0, slash));
        }
    }
    return folders;
}

// Check that exactly the listed files exist.
void check_files_exist(const fs::path& root, const Tree& tree, const Files& files) {
    std::map<std::string_view, std::uint64_t> sizes;
    for (const SizedFile& file : tree.files) sizes.emplace(file.path, file.size);
    for (const auto& [path, entry] : files) {
        const auto found = sizes.find(path);
        if (found == sizes.end()) {
            throw BundleError(repr(below(root, path).string()) + " is missing; the manifest lists it.", DAMAGED_REMEDY);
        }
        if (found->second != entry.size) throw wrong_size(below(root, path), found->second, entry.size);
    }
    const auto parents = folders_of(files);
    const auto check = [&](const std::string& path) {
        if (files.contains(path) || path == MANIFEST || parents.contains(path)) return;
        throw BundleError(repr(below(root, path).string()) +
                              " is not listed in the manifest; expected nothing beside the listed files.",
                          "Remove it if you put it there; otherwise get the bundle again.");
    };
    for (const SizedFile& file : tree.files) check(file.path);
    for (const std::string& folder : tree.folders) check(folder);
}

// Check that ONNX files refer only to listed files beside them: ONNX Runtime would open any path.
void check_locations(const fs::path& root, const Files& files) {
    for (const auto& [path, entry] : files) {
        if (!lower(path).ends_with(".onnx")) continue;
        const std::size_t slash = path.rfind('/');
        const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
        for (const std::string& raw : external_locations(check_regular(root, path))) {
            const std::string location = utf8_replaced(raw);
            if (location.find('/') == std::string::npos && files.contains(folder + location)) continue;
            throw BundleError(repr(below(root, path).string()) + " keeps weights or an engine in " +
                                  repr(first_characters(location, MAX_LOCATION)) +
                                  "; expected a listed file in its own folder.",
                              DAMAGED_REMEDY);
        }
    }
}

// Check that every file has the content that the manifest says.
void check_hashes(const fs::path& root, const Files& files, const OnProgress& on_progress) {
    std::vector<SizedFile> sized;
    for (const auto& [path, entry] : files) sized.push_back({path, entry.size});
    const auto check = [&](const SizedFile& file, const std::string& sha256) {
        const std::string& expected = files.at(file.path).sha256;
        if (sha256 == expected) return;
        throw BundleError(repr(below(root, file.path).string()) + " has SHA-256 " + sha256 + "; expected " + expected +
                              ", as the manifest says.",
                          DAMAGED_REMEDY);
    };
    hash_files(root, sized, check, on_progress);
}

// The only record that is meant; null if there is none, or more than one.
template <typename Record, typename IsMeant>
const Record* only(const std::vector<Record>& records, IsMeant is_meant) {
    const Record* found = nullptr;
    for (const Record& record : records) {
        if (!is_meant(record)) continue;
        if (found != nullptr) return nullptr;
        found = &record;
    }
    return found;
}

}  // namespace

Bundle Bundle::open(const fs::path& path, bool check_files, const OnProgress& on_progress) {
    const fs::path root = path_of("path", path.string());
    const std::string bytes = manifest_bytes(root);
    Bundle bundle{.root = root, .manifest = read_manifest(root, bytes)};
    const Files& files = bundle.manifest.files;
    check_files_exist(root, read_tree(root), files);
    check_locations(root, files);
    if (check_files) {
        check_hashes(root, files, on_progress);
        bundle.sha256 = sha256_of(bytes);
    }
    return bundle;
}

fs::path Bundle::file(std::string_view path) const {
    if (!manifest.files.contains(path)) {
        throw BundleError(repr(root.string()) + " lists no file " + repr(path) + " in its manifest.", DAMAGED_REMEDY);
    }
    return check_regular(root, path);
}

const LatentSpace* Bundle::space(std::string_view digest) const {
    return only(manifest.spaces, [&](const LatentSpace& space) { return space.digest() == digest; });
}

const TextEmbedding* Bundle::embedding(std::string_view digest) const {
    return only(manifest.embeddings, [&](const TextEmbedding& embedding) { return embedding.digest() == digest; });
}

std::optional<PortRecord> Bundle::describe(const Port& port) const {
    const auto is_meant = [&port](const Port& made) { return made.symbol() == port.symbol(); };
    if (port.kind == "latent") {
        const auto* space =
            only(manifest.spaces, [&](const auto& one) { return is_meant(latent_port(one, port.dtype)); });
        if (space != nullptr) return *space;
    }
    if (port.kind == "text") {
        const auto* text =
            only(manifest.embeddings, [&](const auto& one) { return is_meant(text_port(one, port.dtype)); });
        if (text != nullptr) return *text;
    }
    return std::nullopt;
}

}  // namespace latentlink
