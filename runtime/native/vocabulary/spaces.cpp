#include "vocabulary/spaces.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "vocabulary/errors.h"
#include "vocabulary/json_writing.h"
#include "vocabulary/sha256.h"
#include "vocabulary/symbol_parts.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::size_t MAX_NAME = 64;
constexpr std::int64_t MAX_COUNT = 4096;     // of channels, and of pixels along a side
constexpr std::int64_t MAX_WIDTH = 1 << 20;  // of a text embedding

constexpr std::array<std::string_view, 9> SPACE_KEYS = {"name", "channels", "downscale", "scaling", "shift",
                                                        "mean", "std",      "patch",     "weights"};
constexpr std::array<std::string_view, 4> TEXT_KEYS = {"name", "width", "output", "weights"};

// A value of a record as Python shows it there: its lists have become tuples.
std::string shown_value(const Json& value) {
    if (!value.is_array()) return repr(value);
    const std::string list = repr(value);
    return "(" + list.substr(1, list.size() - 2) + (value.size() == 1 ? ",)" : ")");
}

// `'name' and 'channels'`, `'a', 'b', and 'c'`: as Python lists arguments.
std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const bool last = i + 1 == names.size();
        if (i > 0) text += last ? (names.size() > 2 ? ", and " : " and ") : ", ";
        text += names[i];
    }
    return text;
}

// A record of named values, which have defaults or are required.
class Record {
  public:
    // Throws UsageError: a key is unknown, or a required one is missing.
    Record(const Json& record, std::string_view kind, std::string_view title, std::span<const std::string_view> keys,
           std::span<const std::string_view> required)
        : record_(record) {
        bool known = record.is_object();
        for (const auto& [key, value] : record.items()) known &= std::ranges::find(keys, key) != keys.end();
        if (!known) {
            std::vector<std::string> sorted;
            for (const std::string_view key : keys) sorted.push_back(repr(key));
            std::ranges::sort(sorted);
            std::string names;
            for (const std::string& key : sorted) names += (names.empty() ? "" : ", ") + key;
            throw UsageError("A " + std::string(kind) + " record has the keys [" + names + "], but " + repr(record) +
                             " was given.");
        }
        std::vector<std::string> missing;
        for (const std::string_view key : required) {
            if (!record.contains(key)) missing.push_back(repr(key));
        }
        if (!missing.empty()) {
            refuse(title, std::string(kind) + ".__init__() missing " + std::to_string(missing.size()) +
                              " required keyword-only argument" + (missing.size() > 1 ? "s: " : ": ") +
                              listed(missing));
        }
    }

    [[noreturn]] void refuse(std::string_view title, const std::string& problem) const {
        throw UsageError(repr(record_) + " is not the record of a " + std::string(title) + ": " + problem + ".");
    }

    // The value of a key; null if there is none.
    const Json* find(std::string_view key) const {
        const auto found = record_.find(key);
        return found == record_.end() ? nullptr : &*found;
    }

  private:
    const Json& record_;
};

std::string read_name(const Json& value, std::string_view what) {
    const bool right = value.is_string() && is_name(value.get_ref<const std::string&>()) &&
                       value.get_ref<const std::string&>().size() <= MAX_NAME;
    if (!right) {
        throw UsageError("A " + std::string(what) +
                         " is named with lower-case letters and digits, joined by single '-', '_' or '.', at most 64 "
                         "long, but " +
                         shown_value(value) + " was given.");
    }
    return value.get<std::string>();
}

std::optional<std::string> read_weights(const Json* value) {
    if (value == nullptr || value->is_null()) return std::nullopt;
    if (!value->is_string() || !is_sha256(value->get_ref<const std::string&>())) {
        throw UsageError("weights is a SHA-256 in 64 hex digits or None, but " + shown_value(*value) + " was given.");
    }
    return value->get<std::string>();
}

bool is_whole(const Json& value, std::int64_t most) {
    if (!value.is_number_integer()) return false;
    const bool large = value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX;
    return !large && value.get<std::int64_t>() >= 1 && value.get<std::int64_t>() <= most;
}

bool is_finite(const Json& value) { return value.is_number() && std::isfinite(value.get<double>()); }

// The numbers of a latent space, whose name is known.
class SpaceReader {
  public:
    SpaceReader(const Record& record, const LatentSpace& space) : record_(record), space_(space) {}

    int count(const char* what, int otherwise) const {
        const Json* value = record_.find(what);
        if (value == nullptr) return otherwise;
        if (!is_whole(*value, MAX_COUNT)) {
            throw UsageError(of(what) + " is 1 to 4096, but " + shown_value(*value) + " was given.");
        }
        return value->get<int>();
    }

    double number(const char* what, double otherwise) const {
        const Json* value = record_.find(what);
        if (value == nullptr) return otherwise;
        if (!is_finite(*value)) throw UsageError(of(what) + " is a finite number, not " + shown_value(*value) + ".");
        return value->get<double>();
    }

    std::optional<std::vector<double>> list(const char* what, bool positive) const {
        const Json* value = record_.find(what);
        if (value == nullptr || value->is_null()) return std::nullopt;
        if (value->is_boolean()) no_length("bool");
        if (value->is_number()) no_length(value->is_number_float() ? "float" : "int");
        bool right = value->is_array() && value->size() == static_cast<std::size_t>(space_.channels);
        std::vector<double> numbers;
        if (right) {
            for (const Json& one : *value) {
                right = right && is_finite(one) && (!positive || one.get<double>() > 0);
                if (right) numbers.push_back(one.get<double>());
            }
        }
        if (!right) throw UsageError(of(what) + " is one number a channel, not " + shown_value(*value) + ".");
        return numbers;
    }

    std::string of(const char* what) const { return std::string(what) + " of latent space " + repr(space_.name); }

  private:
    [[noreturn]] void no_length(const std::string& type) const {
        record_.refuse("latent space", "object of type '" + type + "' has no len()");
    }

    const Record& record_;
    const LatentSpace& space_;
};

Json numbers_or_null(const std::optional<std::vector<double>>& numbers) { return numbers ? Json(*numbers) : Json(); }

Json text_or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

}  // namespace

std::string digest_of(const Json& value) {
    return sha256_of(dumps(value, {.sorted = true, .compact = true})).substr(0, 8);
}

std::string LatentSpace::digest() const {
    return digest_of({{"scaling", scaling},
                      {"shift", shift},
                      {"mean", numbers_or_null(mean)},
                      {"std", numbers_or_null(std)},
                      {"patch", patch},
                      {"weights", text_or_null(weights)}});
}

std::string LatentSpace::numbers() const {
    std::string text = std::to_string(channels) + " channels, /" + std::to_string(downscale);
    text += ", scaling " + general(scaling);
    if (shift != 0) text += ", shift " + general(shift);
    if (mean || std) text += ", per-channel mean and std";
    if (patch > 1) text += ", patch " + std::to_string(patch);
    if (weights) text += ", VAE " + weights->substr(0, 8);
    return text;
}

Json LatentSpace::to_json() const {
    return {{"name", name},
            {"channels", channels},
            {"downscale", downscale},
            {"scaling", scaling},
            {"shift", shift},
            {"mean", numbers_or_null(mean)},
            {"std", numbers_or_null(std)},
            {"patch", patch},
            {"weights", text_or_null(weights)}};
}

LatentSpace LatentSpace::from_json(const Json& record) {
    const Record read(record, "LatentSpace", "latent space", SPACE_KEYS, std::span(SPACE_KEYS).first(3));
    LatentSpace space;
    const SpaceReader reader(read, space);
    space.name = read_name(*read.find("name"), "latent space");
    space.channels = reader.count("channels", 0);
    space.downscale = reader.count("downscale", 0);
    space.patch = reader.count("patch", 1);
    space.scaling = reader.number("scaling", 1);
    space.shift = reader.number("shift", 0);
    if (space.scaling <= 0) {
        throw UsageError(reader.of("scaling") + " is above 0, but " + repr(space.scaling) + " was given.");
    }
    space.mean = reader.list("mean", false);
    space.std = reader.list("std", true);
    space.weights = read_weights(read.find("weights"));
    return space;
}

std::string TextEmbedding::digest() const {
    return digest_of({{"output", output}, {"weights", text_or_null(weights)}});
}

std::string TextEmbedding::numbers() const {
    return std::to_string(width) + " wide, " + output + (pooled() ? "" : " layer") +
           (weights ? ", encoder " + weights->substr(0, 8) : "");
}

Json TextEmbedding::to_json() const {
    return {{"name", name}, {"width", width}, {"output", output}, {"weights", text_or_null(weights)}};
}

TextEmbedding TextEmbedding::from_json(const Json& record) {
    const Record read(record, "TextEmbedding", "text embedding", TEXT_KEYS, std::span(TEXT_KEYS).first(2));
    TextEmbedding embedding{.name = read_name(*read.find("name"), "text embedding")};
    if (const Json* output = read.find("output")) embedding.output = read_name(*output, "text encoder's output");
    const Json& width = *read.find("width");
    if (!is_whole(width, MAX_WIDTH)) {
        throw UsageError("width of text embedding " + repr(embedding.name) + " is a positive integer, not " +
                         shown_value(width) + ".");
    }
    embedding.width = width.get<int>();
    embedding.weights = read_weights(read.find("weights"));
    return embedding;
}

Port latent_port(const LatentSpace& space, DType dtype) {
    return Port::checked({.kind = "latent",
                          .name = space.name,
                          .layout = {{'c', space.channels}, {'f', space.downscale}},
                          .dtype = dtype,
                          .digest = space.digest(),
                          .shape = {"B", std::int64_t{space.channels}, "h", "w"}});
}

Port text_port(const TextEmbedding& embedding, DType dtype) {
    const std::int64_t width = embedding.width;
    return Port::checked(
        {.kind = "text",
         .name = embedding.name,
         .layout = {{'d', embedding.width}},
         .dtype = dtype,
         .digest = embedding.digest(),
         .shape = embedding.pooled() ? std::vector<Dim>{"N", width} : std::vector<Dim>{"N", "S", width}});
}

Port image_port() {
    return {.kind = "image",
            .name = "srgb",
            .layout = {{'c', 3}},
            .dtype = DType::uint8,
            .digest = digest_of({{"order", "rgb"}, {"range", {0, 255}}}),
            .shape = {"B", "H", "W", std::int64_t{3}}};
}

}  // namespace latentlink
