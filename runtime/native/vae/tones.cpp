#include "vae/tones.h"

namespace latentlink {

namespace {

// Weight of a tile's offset beside the disagreement of neighbours, so that small offsets do not add up over tiles.
constexpr double TONE = 0.2;

constexpr int MOST_ROUNDS = 2000;         // a few hundred are enough for any number of tiles
constexpr double SMALLEST_ERROR = 1e-32;  // of the square of the remaining error, as a share of that at the beginning

double dot(std::span<const double> a, std::span<const double> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

}  // namespace

// The normal equations (L + TONE^2) t = r, L being the Laplacian of the grid of tiles, by conjugate gradients (Hestenes
// and Stiefel 1952). Their condition is at most 8 / TONE^2 + 1, so that t is exact but for a few of its last bits, as
// from an orthogonal factorisation, and no matrix is stored.
std::vector<double> tones(std::span<const Neighbours> neighbours, std::size_t count) {
    std::vector<double> found(count), rest(count), product(count);
    for (const auto& [tile, after, gap] : neighbours) {
        rest[tile] += gap;
        rest[after] -= gap;
    }
    std::vector<double> direction = rest;
    double error = dot(rest, rest);
    const double enough = error * SMALLEST_ERROR;
    for (int round = 0; round < MOST_ROUNDS && error > enough; ++round) {
        for (std::size_t i = 0; i < count; ++i) product[i] = TONE * TONE * direction[i];
        for (const auto& [tile, after, gap] : neighbours) {
            const double differs = direction[tile] - direction[after];
            product[tile] += differs;
            product[after] -= differs;
        }
        const double length = error / dot(direction, product);
        for (std::size_t i = 0; i < count; ++i) found[i] += length * direction[i];
        for (std::size_t i = 0; i < count; ++i) rest[i] -= length * product[i];
        const double before = error;
        error = dot(rest, rest);
        for (std::size_t i = 0; i < count; ++i) direction[i] = rest[i] + error / before * direction[i];
    }
    return found;
}

}  // namespace latentlink
