#include "request/latents.h"

#include <algorithm>
#include <cmath>

#include "vocabulary/checks.h"
#include "vocabulary/errors.h"
#include "vocabulary/files.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/json_writing.h"
#include "vocabulary/safetensors.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view KEY = "latent";

// Names of the tensor to read from another program's file that holds several.
constexpr std::string_view NAMES[] = {KEY, "latents"};

constexpr std::string_view PREFIX = "latentlink.";

constexpr std::size_t MOST_LISTED = 4;  // names of tensors in a message

using Metadata = std::map<std::string, std::string, std::less<>>;

bool is_clean(const Level& level) { return level.signal == CLEAN.signal && level.noise == CLEAN.noise; }

std::string shown_shape(const Shape& shape) {
    std::string text;
    for (const std::int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
    return "[" + text + "]";
}

// Refuse a tensor that cannot be latents of a space, by its type as numpy names it and its shape.
void check_tensor(const LatentSpace& space, std::string_view type, const Shape& shape) {
    const bool fits = shape.size() == 4 && shape[1] == space.channels && std::ranges::min(shape) > 0;
    if (fits && (type == "float32" || type == "float16")) return;
    throw UsageError("Latents of " + repr(space.name) + " are float32 or float16 [B, " +
                     std::to_string(space.channels) + ", h, w], none of them 0, but " + std::string(type) + " " +
                     shown_shape(shape) + " was given.");
}

void check_level(double signal, double noise, const std::string& given) {
    const auto is_share = [](double value) { return value >= 0 && std::isfinite(value); };
    if (is_share(signal) && is_share(noise) && signal + noise > 0) return;
    throw UsageError("The noise level of the latents is " + given +
                     "; expected (signal, noise), two finite numbers from 0, not both 0, or None.");
}

// A level as a file has it; none if it says that it is unknown.
std::optional<Level> read_level(const Json& value) {
    if (value.is_null()) return std::nullopt;
    const auto is_number = [](const Json& one) { return one.is_number() || one.is_boolean(); };
    const auto number = [](const Json& one) { return one.is_boolean() ? one.get<bool>() : one.get<double>(); };
    const bool pair = value.is_array() && value.size() == 2 && is_number(value[0]) && is_number(value[1]);
    const Level level = pair ? Level{number(value[0]), number(value[1])} : Level{NAN, NAN};
    check_level(level.signal, level.noise, shown(value));
    return level;
}

// Metadata that this program wrote.
Metadata own_metadata(const SafetensorsFile& file) {
    Metadata own;
    for (const auto& [key, value] : file.metadata()) {
        if (key.starts_with(PREFIX)) own.emplace(key, value);
    }
    return own;
}

// Name of the one tensor of a file that can be the latents.
std::string only_tensor(const std::string& path, const SafetensorsFile& file) {
    std::vector<std::string> found, all;
    for (const auto& [name, info] : file.tensors()) {
        all.push_back(name);
        if (file.tensors().size() == 1 || std::ranges::find(NAMES, name) != std::end(NAMES)) found.push_back(name);
    }
    if (found.size() == 1) return found.front();
    std::string some;
    for (std::size_t i = 0; i < std::min(all.size(), MOST_LISTED); ++i) some += (i > 0 ? ", " : "") + all[i];
    if (!all.empty()) some = " (" + some + (all.size() > MOST_LISTED ? ", ..." : "") + ")";
    throw UsageError(path + " is not a latents file: it holds " + std::to_string(all.size()) + " tensors" + some +
                     "; expected one, or one that is named latent or latents.");
}

// The open file, and the tensor in it that is to be read.
struct Source {
    SafetensorsFile file;
    std::string path;  // for messages
    std::string name = std::string(KEY);
    Metadata metadata = own_metadata(file);

    const TensorInfo& info() const { return file.tensors().find(name)->second; }

    // The latents of a space, of which the file's tensor has to be.
    Latents of(const LatentSpace& space, std::optional<Level> level, const fs::path& from) const {
        Shape shape = info().shape;
        if (metadata.empty() && shape.size() == 3) shape.insert(shape.begin(), 1);
        check_tensor(space, info().numpy_name(), shape);
        return {.array = file.tensor(name).reshaped(shape), .space = space, .level = level, .file = from.string()};
    }
};

Source open_source(const fs::path& path) {
    const std::string shown_path = repr(path.string());
    try {
        Source source{.file = SafetensorsFile(path), .path = shown_path};
        if (source.metadata.empty()) source.name = only_tensor(shown_path, source.file);
        const auto found = source.file.tensors().find(source.name);
        if (found == source.file.tensors().end()) throw SafetensorError("File does not contain tensor " + source.name);
        const TensorInfo& info = found->second;
        if (info.type.starts_with("F6_")) throw SafetensorError("Dtype not understood: " + info.type);
        if (info.numpy_name().empty()) {
            throw UsageError(shown_path + " holds numbers that numpy does not read (" + info.type +
                                 "); expected float32 or float16.",
                             "Convert them with the program that wrote them.");
        }
        return source;
    } catch (const Error& error) {
        const bool no_file = dynamic_cast<const SafetensorError*>(&error) || dynamic_cast<const MachineError*>(&error);
        if (!no_file) throw;
        throw UsageError(shown_path + " is not a latents file: expected safetensors with a tensor 'latent' (" +
                             error.message() + ").",
                         "latentlink generate --output-latents FILE writes one.");
    }
}

Json parse(const std::string& text) {
    return parse_json(text, {.keys_once = false, .constants = true});  // as Python reads metadata
}

// What metadata say of a key; null if they do not.
const std::string* find(const Metadata& metadata, std::string_view key) {
    const auto found = metadata.find(std::string(PREFIX).append(key));
    return found == metadata.end() ? nullptr : &found->second;
}

// Latents of a file whose metadata records their space; `expected` is the space that the user named, if any.
Latents from_metadata(const Source& source, const fs::path& path, const std::optional<LatentSpace>& expected) {
    const auto unknown = [&source](const std::string& why) {
        return UsageError(source.path + " does not say which latent space it is in (" + why + ").");
    };
    const std::string* space_text = find(source.metadata, "space");
    const std::string* level_text = find(source.metadata, "level");
    if (space_text == nullptr) throw unknown("'latentlink.space'");
    Latents latents;
    try {
        const LatentSpace space = LatentSpace::from_json(parse(*space_text));
        const std::optional<Level> level = level_text == nullptr ? CLEAN : read_level(parse(*level_text));
        latents = source.of(space, level, path);
    } catch (const JsonError& error) {
        throw unknown(error.detail());
    } catch (const UsageError& error) {
        throw unknown(error.what());
    }
    const std::string* symbol = find(source.metadata, "symbol");
    if (symbol == nullptr || latents.symbol() != *symbol) {
        throw UsageError(source.path + " carries the symbol " + (symbol == nullptr ? "None" : repr(*symbol)) +
                         ", but its tensor and numbers make " + repr(latents.symbol()) + ": the file was edited.");
    }
    if (expected && *expected != latents.space) {
        throw UsageError(source.path + " is of latent space \"" + latents.space.name + "\" (" +
                             latents.space.numbers() + "), and not of \"" + expected->name + "\" (" +
                             expected->numbers() + ").",
                         "Leave space out: the file records it.");
    }
    return latents;
}

std::size_t count_infinite(const Array& array) {
    if (array.dtype() == DType::float32) {
        return static_cast<std::size_t>(
            std::ranges::count_if(array.as<float>(), [](float number) { return !std::isfinite(number); }));
    }
    return static_cast<std::size_t>(
        std::ranges::count_if(array.as<Half>(), [](Half number) { return (number.bits & 0x7C00) == 0x7C00; }));
}

}  // namespace

bool Latents::half_way() const { return level && !is_clean(*level); }

std::string Latents::symbol() const { return latent_port(space, array.dtype()).symbol(); }

std::string Latents::to_bytes() const {
    Metadata metadata = {{"latentlink.symbol", symbol()}, {"latentlink.space", dumps(space.to_json())}};
    if (!level || half_way()) {
        metadata["latentlink.level"] = dumps(level ? Json::array({level->signal, level->noise}) : Json());
    }
    return safetensors_bytes({{std::string(KEY), array}}, metadata);
}

void Latents::save(const fs::path& path) const {
    const std::string bytes = to_bytes();
    atomic_file(path_of("path", path.string()), [&bytes](const fs::path& part) { write_file(part, bytes); });
}

Latents Latents::checked(Latents latents) {
    check_tensor(latents.space, name_of(latents.array.dtype()), latents.array.shape());
    if (latents.level) {
        const auto [signal, noise] = *latents.level;
        check_level(signal, noise, "(" + repr(signal) + ", " + repr(noise) + ")");
    }
    return latents;
}

Latents Latents::load(const fs::path& given, const std::optional<LatentSpace>& space) {
    const fs::path path = check_input(path_of("path", given.string()), "a latents file");
    const Source source = open_source(path);
    if (!source.metadata.empty()) return from_metadata(source, path, space);
    if (!space) {
        throw UsageError(source.path + " does not say which latent space it is in.",
                         "Name it, if you know it, by space=NAME: the space of the model that made them.");
    }
    try {
        return source.of(*space, std::nullopt, path);
    } catch (const UsageError& error) {
        throw UsageError(source.path + " does not fit the latent space " + repr(space->name) + ". " + error.message());
    }
}

const Latents& check_latents(const Latents& latents, const LatentSpace& space, std::string_view reader) {
    if (latents.space != space) {
        const Json ours = space.to_json(), theirs = latents.space.to_json();
        std::string differ;
        for (const auto& [key, value] : ours.items()) {
            if (value != theirs.at(key)) differ += (differ.empty() ? "" : ", ") + key;
        }
        const std::string name(reader), source = "a bundle of space \"" + latents.space.name + "\"";
        throw LinkError(
            name + " reads latent space \"" + space.name + "\" (" + space.numbers() + "), but " +
                (latents.file ? *latents.file + " is" : "these latents are") + " of \"" + latents.space.name + "\" (" +
                latents.space.numbers() + "), which differs in " + differ + ".",
            latents.half_way() ? "They are half way and cannot be moved: finish them with " + source + "."
                               : "Move them over, with " + source + " as BUNDLE: latentlink transfer " +
                                     latents.file.value_or("LATENTS") + " --from BUNDLE --to " + name + " -o OUT.");
    }
    if (const std::size_t bad = count_infinite(latents.array); bad > 0) {
        throw UsageError("The latents hold " + std::to_string(bad) + " values that are not finite; expected numbers.");
    }
    return latents;
}

}  // namespace latentlink
