#include "linking/link.h"

#include <algorithm>
#include <set>

#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

using Ports = std::vector<Port>;

// An engine and one of its ports.
struct End {
    const Engine* engine;
    const Port* port;
};

bool does(const Engine& engine, std::string_view reads, std::string_view writes = "") {
    const auto has = [](const Ports& ports, std::string_view kind) {
        return std::ranges::any_of(ports, [&](const Port& port) { return port.kind == kind; });
    };
    return has(engine.session->inputs(), reads) && (writes.empty() || has(engine.session->outputs(), writes));
}

// The first engine that does this; null if none does.
const Engine* first(std::span<const Engine> engines, std::string_view reads, std::string_view writes = "") {
    const auto found = std::ranges::find_if(engines, [&](const Engine& one) { return does(one, reads, writes); });
    return found == engines.end() ? nullptr : &*found;
}

std::string titles(std::span<const Engine> engines) {
    std::string text;
    for (const Engine& engine : engines) text += (text.empty() ? "" : ", ") + engine.title();
    return text;
}

// The only engine, apart from `without`, that does this.
const Engine& only(std::span<const Engine> engines, std::string_view what, std::string_view reads,
                   std::string_view writes = "", const Engine* without = nullptr) {
    std::vector<Engine> given;
    std::vector<const Engine*> found;
    for (const Engine& engine : engines) {
        if (&engine == without) continue;
        given.push_back(engine);
        if (does(engine, reads, writes)) found.push_back(&engine);
    }
    if (found.size() == 1) return *found.front();
    throw LinkError("A pipeline has one " + std::string(what) + ", but " + std::to_string(found.size()) +
                        " of the engines given do its work (" + titles(given) + ").",
                    "Take one of the two from another bundle, or build this one from a whole export.");
}

const Port& port_of(const Engine& engine, const Ports& ports, std::string_view kind, std::string_view slot = "") {
    for (const Port& port : ports) {
        if (port.kind == kind && port.slot == slot) return port;
    }
    std::string tensors;
    for (const Ports* all : {&engine.session->inputs(), &engine.session->outputs()}) {
        for (const Port& port : *all) tensors += (tensors.empty() ? "" : ", ") + port.tensor();
    }
    throw BundleError(engine.title() + " has no " + std::string(kind) + " port" +
                          (slot.empty() ? "" : " in slot " + repr(slot)) + "; its tensors are " + tensors + ".",
                      "Export and build it again with this version of latentlink.");
}

std::string shape_text(const Port& port) {
    std::string text;
    for (const Dim& dim : port.shape) {
        const auto* size = std::get_if<std::int64_t>(&dim);
        text += (text.empty() ? "" : ", ") + (size ? std::to_string(*size) : std::get<std::string>(dim));
    }
    return "[" + text + "]";
}

std::string list_text(const Ports& ports) {
    std::string text;
    for (const Port& port : ports) text += (text.empty() ? "" : ", ") + port.tensor() + " " + shape_text(port);
    return text;
}

// Check that a denoiser reads the latent that it writes.
void check_same(const Engine& engine, const Port& port, const Port& latent) {
    if (port.symbol() == latent.symbol()) return;
    throw BundleError(engine.title() + " writes " + latent.symbol() + " but reads " + port.symbol() + " in slot " +
                          repr(port.slot) + ": a step's state is one latent space.",
                      "Export it again.");
}

// Check that a step reads and writes all latents that the runtime gives it, and no others.
void check_latents(const Engine& step, const Port& latent) {
    std::vector<std::string> slots = {"x", "noise"};
    for (int age = 1; age <= HISTORY; ++age) slots.push_back("history" + std::to_string(age));
    for (const std::string& slot : slots) {
        check_same(step, port_of(step, step.session->inputs(), "latent", slot), latent);
    }
    for (const Port& port : step.session->inputs()) {
        if (port.kind == "latent") check_same(step, port, latent);
    }
    for (const std::string_view slot : {"", "denoised"}) {
        check_same(step, port_of(step, step.session->outputs(), "latent", slot), latent);
    }
}

// Check that static sizes of connected tensors are equal; their symbols are.
void check_fits(const End& writer, const End& reader) {
    const auto& written = writer.port->shape;
    const auto& read = reader.port->shape;
    const auto agree = [](const Dim& one, const Dim& other) {
        return one.index() != 0 || other.index() != 0 || one == other;
    };
    if (written.size() == read.size() && std::ranges::equal(written, read, agree)) return;
    throw LinkError(reader.engine->title() + " reads " + reader.port->symbol() + " of shape " +
                        shape_text(*reader.port) + ", but " + writer.engine->title() + " writes it as " +
                        shape_text(*writer.port) + ".",
                    "Build both for the same sizes.");
}

// Check that the shallow engine reads only what the denoiser reads, and the feature that the denoiser writes.
void check_continues(const Engine& denoiser, const Engine& shallow) {
    const Port& feature = port_of(shallow, shallow.session->inputs(), "feature");
    std::vector<const Port*> written;
    std::string symbols;
    for (const Port& port : denoiser.session->outputs()) {
        if (port.kind != "feature") continue;
        written.push_back(&port);
        symbols += (symbols.empty() ? "" : ", ") + port.symbol();
    }
    if (written.size() != 1 || symbols != feature.symbol()) {
        throw LinkError(shallow.title() + " reads the feature " + feature.symbol() + ", but " + denoiser.title() +
                            " writes " + (symbols.empty() ? "none" : symbols) +
                            ": they were cut from different networks, or at different places.",
                        "Take both from one bundle.");
    }
    check_fits({&denoiser, written.front()}, {&shallow, &feature});
    std::set<std::string> known;
    for (const Port& port : denoiser.session->inputs()) known.insert(port.tensor());
    for (const Port& port : shallow.session->inputs()) {
        if (&port == &feature || known.contains(port.tensor())) continue;
        throw LinkError(shallow.title() + " reads " + port.tensor() + ", which " + denoiser.title() + " does not.",
                        "Take both from one bundle.");
    }
}

std::string numbers_text(const std::optional<PortRecord>& record, const Port& port) {
    if (record) return std::visit([](const auto& one) { return one.numbers(); }, *record);
    std::string text;
    for (const auto& [letter, size] : port.layout) {
        text += (text.empty() ? "" : ", ") + std::string(1, letter) + std::to_string(size);
    }
    return text;
}

std::string port_text(const Port& port, const Describe& describe) {
    return "\"" + port.name + "\" (" + numbers_text(describe(port), port) + ", " + port.digest + ")";
}

// Numbers by channel, as Python writes a tuple.
std::string tuple_text(const Json& values) {
    std::string text;
    for (const Json& value : values) text += (text.empty() ? "" : ", ") + repr(value);
    return "(" + text + (values.size() == 1 ? ",)" : ")");
}

// A value as text, long ones cut.
std::string short_text(const Json& value) {
    if (value.is_null()) return "none";
    if (value.is_number_float()) return general(value.get<double>());
    const std::string text = value.is_string()  ? value.get<std::string>()
                             : value.is_array() ? tuple_text(value)
                                                : repr(value);
    const std::u32string letters = characters(text);
    // what is longer is a SHA-256 or a list of numbers: all of it ASCII
    return letters.size() <= 24 ? text : text.substr(0, 8) + "..";
}

// The fields that differ, with both values: `scaling (0.71 and 0.55)`.
std::string differences(const Port& read, const Port& written, const Describe& describe) {
    const std::optional<PortRecord> a = describe(read), b = describe(written);
    if (!a || !b || a->index() != b->index()) {
        return "their digests: no record in the manifests says more, which an unedited bundle would";
    }
    const auto json = [](const PortRecord& record) {
        return std::visit([](const auto& one) { return one.to_json(); }, record);
    };
    const Json left = json(*a), right = json(*b);
    std::string text;
    for (const auto& [key, value] : left.items()) {
        const Json& other = right.at(key);
        if (value == other) continue;
        text += (text.empty() ? "" : ", ") + key + " (" + short_text(value) + " and " + short_text(other) + ")";
    }
    return text;
}

// The error of a refused link: what is read, what is written, the numbers that differ, and what to do.
LinkError refusal(const End& reader, const std::optional<End>& writer, const Describe& describe) {
    const Port& read = *reader.port;
    const bool text = read.kind == "text";
    std::string message =
        reader.engine->title() + " reads " + (text ? "text embedding " : "latent space ") + port_text(read, describe);
    if (!writer) {
        return LinkError(message + ", but no engine writes any.", "Add a text encoder of the same model.");
    }
    const Port& written = *writer->port;
    message += ", but " + writer->engine->title() + " writes " + port_text(written, describe) + ".";
    if (read.name == written.name && read.layout == written.layout && read.digest == written.digest) {
        return LinkError(message + " The interface dtypes differ: " + std::string(name_of(read.dtype)) + " is read, " +
                             std::string(name_of(written.dtype)) + " written.",
                         "Export both with the same --io-dtype.");
    }
    if (const std::string differ = differences(read, written, describe); !differ.empty()) {
        message += " They differ in " + differ + ".";
    }
    const std::string &from = reader.engine->bundle, &to = writer->engine->bundle;
    if (text) return LinkError(message, "Use " + from + "'s own text encoder.");
    const bool denoiser = reader.engine->component == "denoiser";
    const std::string &source = denoiser ? from : to, &other = denoiser ? to : from;
    return LinkError(message, "Use " + source + "'s own " + (denoiser ? "encoder" : "decoder") +
                                  ", or: latentlink transfer --from " + source + " --to " + other);
}

// For every text port of the denoiser, the engine that writes it.
std::vector<LinkedText> link_texts(std::span<const Engine> engines, const Engine& denoiser, const Describe& describe) {
    std::vector<End> writers;
    for (const Engine& engine : engines) {
        for (const Port& port : engine.session->outputs()) {
            if (port.kind == "text") writers.push_back({&engine, &port});
        }
    }
    std::vector<LinkedText> texts;
    for (const Port& wanted : denoiser.session->inputs()) {
        if (wanted.kind != "text") continue;
        const End reader = {&denoiser, &wanted};
        const auto found =
            std::ranges::find_if(writers, [&](const End& one) { return one.port->symbol() == wanted.symbol(); });
        if (found == writers.end()) {
            throw refusal(reader, writers.empty() ? std::nullopt : std::optional(writers.front()), describe);
        }
        check_fits(*found, reader);
        texts.push_back({wanted.tensor(), *found->engine, *found->port});
    }
    return texts;
}

bool agree(const Ports& real, const Ports& declared) {
    if (real.size() != declared.size()) return false;
    const auto tensors = [](const Ports& ports) {
        std::multiset<std::string> names;
        for (const Port& port : ports) names.insert(port.tensor());
        return names;
    };
    if (tensors(real) != tensors(declared)) return false;
    // in any order: compilers keep the names, and ports are found by name
    return std::ranges::all_of(declared, [&](const Port& wanted) {
        const std::string tensor = wanted.tensor();
        const auto found = std::ranges::find_if(real, [&](const Port& port) { return port.tensor() == tensor; });
        return std::ranges::equal(found->shape, wanted.shape, [](const Dim& x, const Dim& y) {
            return std::holds_alternative<std::string>(y) || x == y;
        });
    });
}

}  // namespace

Linked link(std::span<const Engine> engines, const Describe& describe) {
    const Engine* shallow = first(engines, "feature");
    const Engine& denoiser = only(engines, "denoiser", "coefficients", "", shallow);
    const Port& latent = port_of(denoiser, denoiser.session->outputs(), "latent");
    if (shallow) check_continues(denoiser, *shallow);
    check_latents(denoiser, latent);
    if (shallow) check_latents(*shallow, latent);
    std::vector<LinkedText> texts = link_texts(engines, denoiser, describe);

    const Engine& decoder = only(engines, "vae_decoder", "latent", "image");
    const Port& reads = port_of(decoder, decoder.session->inputs(), "latent");
    const End end = {&denoiser, &latent};
    if (reads.symbol() != latent.symbol()) throw refusal({&decoder, &reads}, end, describe);
    check_fits(end, {&decoder, &reads});

    const Engine* encoder = first(engines, "image", "latent");
    if (encoder) {
        const Port& writes = port_of(*encoder, encoder->session->outputs(), "latent");
        if (writes.symbol() != latent.symbol()) {
            const Port& x = port_of(denoiser, denoiser.session->inputs(), "latent", "x");
            throw refusal({&denoiser, &x}, End{encoder, &writes}, describe);
        }
        check_fits({encoder, &writes}, end);
    }
    for (const Engine& engine : engines) as_declared(engine);

    Linked linked;
    linked.decoder = decoder;
    if (encoder) linked.encoder = *encoder;
    linked.latent = latent;
    linked.denoiser = denoiser;
    linked.texts = std::move(texts);
    if (shallow) linked.shallow = *shallow;
    return linked;
}

LinkedVae link_vae(std::span<const Engine> engines, const Describe& describe) {
    const Engine* decoder = first(engines, "latent", "image");
    const Engine* encoder = first(engines, "image", "latent");
    std::vector<Engine> others;
    for (const Engine& engine : engines) {
        if (&engine != decoder && &engine != encoder) others.push_back(engine);
    }
    if (!others.empty() || (!decoder && !encoder)) {
        throw LinkError("Without a denoiser, a pipeline is a VAE: one vae_decoder, one vae_encoder or both, but " +
                            (others.empty() ? "nothing" : titles(others)) + " was given.",
                        "Take the denoiser from another bundle (--replace denoiser=BUNDLE), or get a whole bundle.");
    }
    const Port* reads = decoder ? &port_of(*decoder, decoder->session->inputs(), "latent") : nullptr;
    const Port* writes = encoder ? &port_of(*encoder, encoder->session->outputs(), "latent") : nullptr;
    if (reads && writes) {
        const End reader = {decoder, reads}, writer = {encoder, writes};
        if (reads->symbol() != writes->symbol()) throw refusal(reader, writer, describe);
        check_fits(writer, reader);
    }
    for (const Engine& engine : engines) as_declared(engine);

    LinkedVae linked;
    if (decoder) linked.decoder = *decoder;
    if (encoder) linked.encoder = *encoder;
    linked.latent = writes ? *writes : *reads;
    return linked;
}

void as_declared(const Engine& engine) {
    const auto check = [&](const Ports& real, const Ports& declared) {
        if (agree(real, declared)) return;
        throw BundleError("The manifest of " + engine.bundle + " declares " + list_text(declared) + " for " +
                              engine.component + ", but the engine has " + list_text(real) + ".",
                          "The manifest was edited or belongs to another engine: build the bundle again.");
    };
    check(engine.session->inputs(), engine.declared.first);
    check(engine.session->outputs(), engine.declared.second);
}

}  // namespace latentlink
