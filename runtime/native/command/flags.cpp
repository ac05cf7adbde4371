#include "command/flags.h"

#include <algorithm>
#include <optional>

namespace latentlink {
namespace {

bool is_word(char one) {
    return (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z') || (one >= '0' && one <= '9') || one == '_' ||
           static_cast<unsigned char>(one) >= 0x80;
}

bool is_digit(char one) { return one >= '0' && one <= '9'; }

// The end of a value `=7` or `="euler"` at a place; the place itself if there is none.
std::size_t end_of_value(std::string_view text, std::size_t at) {
    std::size_t end = at;
    if (end >= text.size() || text[end] != '=') return at;
    ++end;
    if (end < text.size() && text[end] == '"') ++end;
    const std::size_t first = end;
    while (end < text.size() && is_word(text[end])) ++end;
    if (end == first) return at;
    if (end < text.size() && text[end] == '"') ++end;
    return end;
}

// Whether a name may end here: it is no part of a longer one, of a call, or of a file's name.
bool may_end(std::string_view rest) {
    if (rest.empty()) return true;
    if (is_word(rest[0]) || rest[0] == '\'' || rest[0] == '"' || rest[0] == '(') return false;
    return !((rest[0] == '.' || rest[0] == '-') && rest.size() > 1 && is_word(rest[1]));
}

// Whether what follows a message's first word makes it an argument: ` is`, ` 7`, ` 0.5`.
bool is_subject(std::string_view after) {
    if (!after.starts_with(' ')) return false;
    after.remove_prefix(1);
    for (const std::string_view verb : {"is", "has", "holds", "needs"}) {
        if (after.starts_with(verb)) return true;
    }
    const auto word = after.substr(0, after.find(' '));
    return std::ranges::any_of(word, is_digit);
}

// What stands for a name, or nothing if it is a word like any other.
std::optional<std::string> as_option(std::string_view name, std::string_view value, std::string_view before,
                                     std::string_view after, const Flag& flag) {
    const bool begins = before.ends_with("Received ") || before.ends_with("eave ") || before.ends_with(" as ") ||
                        after.starts_with(" '") || (before.empty() && is_subject(after));
    const bool in_a_list = before.ends_with(": ") || before.ends_with(", ");
    const bool several_words = name.find('_') != std::string_view::npos;
    if (value.empty() && (in_a_list || (!several_words && !begins))) return std::nullopt;
    while (!value.empty() && (value.front() == '=' || value.front() == '"')) value.remove_prefix(1);
    while (!value.empty() && value.back() == '"') value.remove_suffix(1);
    if (!flag.takes_value) return value == "False" ? flag.off : flag.on;
    return value.empty() ? flag.on : flag.on + " " + std::string(value);
}

// A model's parts have names that messages speak of.
bool is_part(std::string_view name) {
    for (const std::string_view part : {"vae", "text_encoder", "tokenizer"}) {
        if (!name.starts_with(part)) continue;
        const std::string_view rest = name.substr(part.size());
        const bool numbered = rest.size() == 2 && rest[0] == '_' && is_digit(rest[1]);
        if (rest.empty() || numbered || rest == "_decoder" || rest == "_encoder") return true;
    }
    return false;
}

}  // namespace

std::string in_flags(std::string_view message, const Flags& flags) {
    constexpr std::string_view JOINS = "'\"=.+-";
    std::string made;
    for (std::size_t at = 0; at < message.size();) {
        const bool may_begin =
            at == 0 || (!is_word(message[at - 1]) && JOINS.find(message[at - 1]) == std::string_view::npos);
        std::size_t end = at;
        while (end < message.size() && is_word(message[end])) ++end;
        const std::string_view name = message.substr(at, end - at);
        const auto found = flags.find(name);
        const std::size_t after = end_of_value(message, end);
        if (may_begin && found != flags.end() && !is_part(name) && may_end(message.substr(after))) {
            const auto option = as_option(name, message.substr(end, after - end), message.substr(0, at),
                                          message.substr(after), found->second);
            if (option) {
                made += *option;
                at = after;
                continue;
            }
        }
        const std::size_t next = std::max(end, at + 1);
        made += message.substr(at, next - at);
        at = next;
    }
    return made;
}

}  // namespace latentlink
