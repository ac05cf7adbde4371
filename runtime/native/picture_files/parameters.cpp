#include "picture_files/parameters.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "picture_files/alphabets.h"
#include "picture_files/record.h"
#include "samplers/names.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/json_writing.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view NEGATIVE = "Negative prompt:";

// Settings on a line that is not part of a prompt.
constexpr std::size_t LEAST_SETTINGS = 3;

constexpr std::size_t HASH_DIGITS = 10;

// Samplers to which the web UI gives Karras' or exponential levels if the text has no schedule type.
constexpr std::array<std::string_view, 3> KARRAS_UNLESS_SAID = {"dpm2", "dpmpp_2m", "dpmpp_2m_sde"};

constexpr auto NAME = [](const auto& setting) { return std::string_view(setting.first); };

// A text in quotes that ends a setting, at the beginning of `rest`.
struct Quoted {
    std::string_view text;  // with its quotes
    std::size_t size;       // bytes up to the next setting
};

std::optional<Quoted> quoted_at(std::string_view rest) {
    const std::size_t begin = blanks_before(rest);
    if (begin >= rest.size() || rest[begin] != '"') return std::nullopt;
    std::size_t end = begin + 1;
    while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
    if (end >= rest.size()) return std::nullopt;
    ++end;
    const std::size_t behind = end + blanks_before(rest.substr(end));
    if (behind < rest.size() && rest[behind] != ',') return std::nullopt;
    return Quoted{rest.substr(begin, end - begin), std::min(behind + 1, rest.size())};
}

// What quotes hold; they belong to the value if that is not JSON.
std::string unquoted(std::string_view text) {
    try {
        return parse_json(text).get<std::string>();
    } catch (const JsonError&) {
        return std::string(text);
    }
}

void set(Settings& settings, std::string_view name, std::string value) {
    const auto found = std::ranges::find(settings, name, NAME);
    if (found == settings.end()) {
        settings.emplace_back(name, std::move(value));
    } else {
        found->second = std::move(value);
    }
}

// The settings of a line: `Steps: 20, Model: "a, b"`.
Settings settings_of(std::string_view line) {
    Settings made;
    std::size_t at = 0;
    for (std::size_t colon = line.find(':'); colon != std::string_view::npos; colon = line.find(':', at)) {
        std::string_view name = line.substr(at, colon - at);
        name = stripped(name.substr(name.rfind(',') + 1));  // what has no colon is no setting
        std::string value;
        if (const auto quoted = quoted_at(line.substr(colon + 1))) {
            value = unquoted(quoted->text);
            at = colon + 1 + quoted->size;
        } else {
            const std::size_t end = std::min(line.find(',', colon), line.size());
            value = stripped(line.substr(colon + 1, end - colon - 1));
            at = std::min(end + 1, line.size());
        }
        if (!name.empty()) set(made, name, std::move(value));
    }
    return made;
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
        lines.push_back(text.substr(0, end));
        text.remove_prefix(end + 1);
    }
    lines.push_back(text);
    return lines;
}

std::string joined_lines(std::span<const std::string_view> lines) {
    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i) text.append(i == 0 ? "" : "\n").append(lines[i]);
    return text;
}

// A value as it stands in the text: in quotes if it could be taken for the next setting.
std::string quoted(const std::string& value) {
    const bool plain =
        stripped(value) == value && value.find_first_of(",:\n") == std::string::npos && !value.starts_with('"');
    return plain ? value : dumps(value, {.ascii = false});
}

// A number without a needless `.0`, and with all its digits.
std::string plain(double number) {
    const std::string text = repr(number);
    return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
}

std::optional<std::string> schedule_type(const Json& options) {
    if (const auto sigmas = options.find("sigmas"); sigmas != options.end()) {
        std::string name = lower(sigmas->get<std::string>());
        if (!name.empty() && name[0] >= 'a' && name[0] <= 'z') name[0] = static_cast<char>(name[0] - 'a' + 'A');
        return name;
    }
    const bool karras = std::ranges::count(KARRAS_UNLESS_SAID, options.at("sampler").get<std::string>()) > 0;
    return karras ? std::optional("Uniform") : std::nullopt;
}

}  // namespace

const std::string* Parameters::setting(std::string_view name) const {
    const auto found = std::ranges::find(settings, name, NAME);
    return found == settings.end() ? nullptr : &found->second;
}

std::string Parameters::to_text() const {
    std::string text = prompt.empty() ? "" : prompt + "\n";
    if (!negative_prompt.empty()) text += std::string(NEGATIVE) + " " + negative_prompt + "\n";
    return text + settings_line();
}

std::string Parameters::settings_line() const {
    std::string line;
    for (const auto& [name, value] : settings) line += (line.empty() ? "" : ", ") + name + ": " + quoted(value);
    return line;
}

Parameters parameters_of(const Record& record) {
    const Json& options = record.options;
    const auto sampler = options.at("sampler").get<std::string>();
    Parameters made{.prompt = record.prompt, .negative_prompt = options.value("negative_prompt", ""), .settings = {}};
    const auto add = [&made](const char* name, std::string value) {
        made.settings.emplace_back(name, std::move(value));
    };
    add("Steps", options.at("steps").dump());
    add("Sampler", std::string(web_name(sampler).value_or(sampler)));
    if (const auto levels = schedule_type(options)) add("Schedule type", *levels);
    add("CFG scale", plain(options.at("guidance").get<double>()));
    add("Seed", options.at("seed").dump());
    add("Size", options.at("width").dump() + "x" + options.at("height").dump());
    if (const std::string hash = record.origin.manifest.value_or("").substr(0, HASH_DIGITS); !hash.empty())
        add("Model hash", hash);
    add("Model", record.origin.name);
    if (options.contains("strength")) add("Denoising strength", plain(options.at("strength").get<double>()));
    if (options.at("noise") == "torch") add("RNG", "CPU");
    add("Version", "latentlink " + record.version);
    return made;
}

std::optional<Parameters> read_parameters(std::string_view text) {
    const auto lines = lines_of(text);
    for (std::size_t place = lines.size(); place-- > 0;) {
        Parameters made{.prompt = "", .negative_prompt = "", .settings = settings_of(lines[place])};
        if (made.settings.size() < LEAST_SETTINGS || made.setting("Steps") == nullptr) continue;
        const std::span before(lines.data(), place);
        const auto begins = std::ranges::find_if(before, [](auto line) { return line.starts_with(NEGATIVE); });
        const auto count = static_cast<std::size_t>(begins - before.begin());
        made.prompt = joined_lines(before.first(count));
        std::string negative = joined_lines(before.subspan(count));
        if (negative.starts_with(NEGATIVE)) negative.erase(0, NEGATIVE.size());
        if (negative.starts_with(' ')) negative.erase(0, 1);
        made.negative_prompt = std::move(negative);
        return made;
    }
    return std::nullopt;
}

}  // namespace latentlink
