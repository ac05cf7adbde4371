#include "vae/guarded.h"

#include <utility>

#include "vocabulary/errors.h"

namespace latentlink {

namespace {

constexpr std::string_view DECODER = "vae_decoder", ENCODER = "vae_encoder";

}  // namespace

GuardedVae::GuardedVae(Autoencoder halves, WiderEngines wider) : halves_(std::move(halves)), wider_(std::move(wider)) {}

std::vector<Array> GuardedVae::decode(Guard& watch, const Array& latents, bool clean, const BufferPtr& written) {
    std::vector<Array> pictures = halves_.decode(latents, written);
    if (watch.on && wider_.contains(DECODER)) {
        for (std::size_t number = 0; number < pictures.size(); ++number) {
            auto fault = picture_fault(pictures[number], clean);
            if (!fault) continue;
            watch.mended.push_back({.component = std::string(DECODER),
                                    .number = static_cast<int>(number) + 1,
                                    .count = static_cast<int>(pictures.size()),
                                    .fault = *std::move(fault)});
            pictures[number] = wide(DECODER).decode(stack(std::array{latents.row(number)})).front();
        }
    }
    watch.pictures(DECODER, pictures, clean);
    return pictures;
}

Array GuardedVae::encode(Guard& watch, const Array& pictures, const Array* mask, const Array& noise) {
    Array latents = halves_.encode(pictures, mask, noise);
    if (watch.on && wider_.contains(ENCODER)) {
        if (auto fault = finite_fault(latents)) {
            watch.mended.push_back(
                {.component = std::string(ENCODER), .number = 1, .count = 1, .fault = *std::move(fault)});
            latents = wide(ENCODER).encode(pictures, mask, noise);
        }
    }
    watch.latents(ENCODER, latents, CLEAN, ENCODED);
    return latents;
}

// The VAE with the wider engine of a component, which is opened when it is first needed.
Autoencoder& GuardedVae::wide(std::string_view component) {
    const std::scoped_lock held(lock_);
    if (closed_) {  // meanwhile, by another thread: nothing would close what is opened now
        throw UsageError("The pipeline of " + halves_.name() + " is closed.", "Load the bundle again.");
    }
    if (const auto known = open_.find(component); known != open_.end()) return *known->second;
    LinkedVae linked = halves_.linked();
    (component == DECODER ? linked.decoder : linked.encoder) = wider_.find(component)->second();
    auto made = std::make_unique<Autoencoder>(halves_.name(), std::move(linked), halves_.memory());
    return *open_.emplace(component, std::move(made)).first->second;
}

void GuardedVae::close() {
    const std::scoped_lock held(lock_);
    closed_ = true;
    for (const auto& [component, vae] : open_) {
        const auto& engine = component == DECODER ? vae->linked().decoder : vae->linked().encoder;
        engine->session->close();
    }
}

}  // namespace latentlink
