#include "bundle/paths.h"

#include <algorithm>
#include <map>
#include <set>

#include "bundle/record_checks.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// ASCII only, so that Unicode normalisation cannot make two names equal. The first character is neither '.' nor '-',
// which excludes `.`, `..`, hidden files and options; the last is not '.', which Windows drops.
bool is_part(std::string_view part) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    const auto inner = [plain](char c) { return plain(c) || c == '.' || c == '+' || c == '-'; };
    return !part.empty() && plain(part.front()) && part.back() != '.' && std::ranges::all_of(part, inner);
}

std::string_view folder_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? "" : path.substr(0, slash);
}

// Remember how a path and its folders are spelled. Throws ManifestError: another one differs only in case.
void spell(std::map<std::string, std::string>& spelled, std::string_view path) {
    for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
        const std::string lead(path.substr(0, slash));
        const std::string& other = spelled.emplace(lower(lead), lead).first->second;
        if (other != lead) {
            throw ManifestError("", "received " + repr(lead) + " and " + repr(other) +
                                        ", expected paths that differ by more than case");
        }
        if (slash == std::string_view::npos) return;
    }
}

}  // namespace

bool is_safe_path(std::string_view path) {
    if (path.size() > MAX_BUNDLE_PATH) return false;
    for (;;) {
        const std::size_t slash = path.find('/');
        if (!is_part(path.substr(0, slash))) return false;
        if (slash == std::string_view::npos) return true;
        path.remove_prefix(slash + 1);
    }
}

const std::string& check_path(std::string_view where, const Json& path) {
    if (path.is_string() && is_safe_path(path.get_ref<const std::string&>())) return path.get_ref<const std::string&>();
    throw unexpected(where, path,
                     "a relative path inside the bundle, at most 255 characters: names of ASCII letters, digits, "
                     "'_', '.', '+' and '-', which do not begin with '.' or '-', joined by '/'");
}

void check_distinct(std::span<const std::string> paths) {
    const std::string manifest(MANIFEST);
    std::map<std::string, std::string> spelled = {{manifest, manifest}};
    std::set<std::string, std::less<>> files = {manifest};
    for (const std::string& path : paths) {
        spell(spelled, path);
        if (!files.insert(path).second) {
            throw ManifestError(
                "", "received " + repr(path) + " twice, expected every file once and " + manifest + " not at all");
        }
    }
    for (const std::string& path : files) {
        for (std::string_view lead = folder_of(path); !lead.empty(); lead = folder_of(lead)) {
            if (files.contains(lead)) {
                throw ManifestError(
                    "", "received " + repr(path) + " below the file " + repr(lead) + ", expected one or the other");
            }
        }
    }
}

}  // namespace latentlink
