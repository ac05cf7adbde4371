// Latent spaces and text embeddings: what the numbers in a tensor mean, beyond its shape and dtype.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "vocabulary/json.h"
#include "vocabulary/ports.h"

namespace latentlink {

// The first 8 hex digits of the SHA-256 of a value as canonical JSON (sorted keys, shortest float form), as Python
// writes it.
std::string digest_of(const Json& value);

// The meaning of a latent. The VAE's raw latent is `r = z / scaling * std + mean + shift`; z is the denoiser's.
struct LatentSpace {
    std::string name;   // as in the symbol
    int channels = 0;   // of z
    int downscale = 0;  // picture pixels per latent element, along height and along width
    double scaling = 1, shift = 0;
    std::optional<std::vector<double>> mean = {}, std = {};  // per channel of r
    int patch = 1;                                           // side of the patches of r that were folded into channels
    std::optional<std::string> weights = {};  // SHA-256 of the VAE encoder's weights; none for known spaces

    std::string digest() const;   // 8 hex digits over the numbers that shape and dtype cannot show
    std::string numbers() const;  // as a person reads them: `4 channels, /8, scaling 0.18215`
    Json to_json() const;

    // Throws UsageError: it is not the record of a latent space.
    static LatentSpace from_json(const Json& record);

    bool operator==(const LatentSpace&) const = default;
};

// The embedding that a text encoder writes and a denoiser reads.
struct TextEmbedding {
    std::string name;  // as in the symbol
    int width = 0;     // numbers per token
    std::string output = "last";
    std::optional<std::string> weights = {};  // SHA-256 of the encoder's weights if it is not a well-known one

    bool pooled() const { return output == "pooled" || output == "projected"; }
    std::string digest() const;
    std::string numbers() const;
    Json to_json() const;

    // Throws UsageError: it is not the record of a text embedding.
    static TextEmbedding from_json(const Json& record);

    bool operator==(const TextEmbedding&) const = default;
};

// What a port's symbol stands for.
using PortRecord = std::variant<LatentSpace, TextEmbedding>;

// The published latent spaces.
const std::vector<LatentSpace>& known_spaces();

// The known space of this name; null if there is none.
const LatentSpace* known_space(std::string_view name);

// A latent of `space`: `[B, channels, h, w]`, h and w in latent elements.
Port latent_port(const LatentSpace& space, DType dtype = DType::float32);

// Embeddings of prompts: `[N, S, width]`; pooled ones `[N, width]`.
Port text_port(const TextEmbedding& embedding, DType dtype = DType::float32);

// 8-bit sRGB pictures: uint8 `[B, H, W, 3]`.
Port image_port();

}  // namespace latentlink
