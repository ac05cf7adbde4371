// Standard normal noise from a seed: torch's CPU generator, and a counter-based one.
//
// A source is used by one generation at a time; its stream continues from call to call.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string_view>

namespace latentlink {

// A stream of standard normal numbers.
class Noise {
  public:
    virtual ~Noise() = default;

    // The next `numbers.size()` numbers of the stream.
    virtual void normal(std::span<float> numbers) = 0;
};

// The numbers of `torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))` in float32.
//
// mt19937 (Matsumoto and Nishimura 1998) feeds the Box-Muller transform in blocks of 16, or number by number in double
// precision for fewer than 16. The bits are those of the Python runtime.
class TorchNoise final : public Noise {
  public:
    explicit TorchNoise(std::uint64_t seed);  // the lowest 32 bits count, as in torch

    void normal(std::span<float> numbers) override;

  private:
    std::uint32_t word() { return static_cast<std::uint32_t>(words_()); }
    float uniform();          // a multiple of 2**-24 in [0, 1)
    double uniform_double();  // a multiple of 2**-53 in [0, 1)
    void one_by_one(std::span<float> numbers);

    std::mt19937 words_;
    std::optional<double> spare_;
};

// Philox4x32-10 (Salmon et al. 2011): number i of call n is a function of (seed, n, i) and nothing else.
//
// The layout is that of torch's CUDA generator for tensors that fit in one launch: the counter is (n, 0, i, 0), the key
// is the seed, and the first two words of a block make one number.
class PhiloxNoise final : public Noise {
  public:
    explicit PhiloxNoise(std::uint64_t seed);

    void normal(std::span<float> numbers) override;

  private:
    std::uint64_t seed_;
    std::uint32_t calls_ = 0;
};

// Ten rounds of Salmon et al. 2011 (Parallel Random Numbers: As Easy as 1, 2, 3).
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::uint64_t key);

// Names of sources.
inline constexpr std::array<std::string_view, 2> NOISES = {"torch", "philox"};

// A source by name. A seed from -2**63 to 2**64 - 1 is given by its lowest 64 bits. diffusers draws a whole batch from
// one generator, or each picture from its own.
// Throws UsageError: the name is unknown.
std::unique_ptr<Noise> noise_source(std::string_view kind, std::uint64_t seed);

}  // namespace latentlink
