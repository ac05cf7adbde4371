#include "quality/shortfall.h"

#include <cstdio>
#include <stdexcept>

#include "vocabulary/texts.h"

namespace latentlink {
namespace {

std::string fixed(double value, int digits) {
    char text[400];  // the largest double has 309 digits
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

}  // namespace

std::string Shortfall::summary() const {
    if (code == "psnr") return "PSNR " + fixed(found, 1) + " dB, expected at least " + general(needed);
    if (code == "worst") {
        return "worst element " + general(found, 2) + " of the largest, expected at most " + general(needed, 2);
    }
    if (code == "latent-cosine") return "latent cosine " + fixed(found, 4) + ", expected at least " + general(needed);
    if (code == "ssim") return "SSIM " + fixed(found, 3) + ", expected at least " + general(needed);
    if (code == "prompts") {
        return general(found) + " of " + std::to_string(count) + " pictures show their prompts, " +
               std::to_string(reference) + " of the reference's, expected at most " + fixed(100 * tolerance, 0) +
               "% fewer";
    }
    throw std::invalid_argument("no code of a shortfall");
}

std::string summary(std::span<const Shortfall> shortfalls) {
    std::string text;
    for (const Shortfall& one : shortfalls) text += (text.empty() ? "" : "; ") + one.summary();
    return text;
}

}  // namespace latentlink
