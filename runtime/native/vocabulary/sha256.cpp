#include "vocabulary/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <new>
#include <vector>

#include "vocabulary/files.h"

namespace latentlink {
namespace {

constexpr std::size_t PIECE = 1 << 20;  // bytes of a file that are read at a time

// libcrypto's calls fail for lack of memory alone: their arguments are ours.
void check(int succeeded) {
    if (succeeded != 1) throw std::bad_alloc();
}

struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

struct Sha256::State {
    std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};

    State() { begin(); }
    void begin() { check(context == nullptr ? 0 : EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr)); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
    check(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()));
}

std::string Sha256::hex() {
    std::array<unsigned char, 32> digest;
    check(EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr));
    state_->begin();
    std::string text;
    for (const unsigned char byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

std::string sha256_of(std::span<const std::byte> bytes) {
    Sha256 digest;
    digest.update(bytes);
    return digest.hex();
}

std::string sha256_of(std::string_view text) { return sha256_of(std::as_bytes(std::span(text))); }

std::string sha256_of_file(const std::filesystem::path& path) {
    const InputFile file(path);
    Sha256 digest;
    std::vector<std::byte> piece(PIECE);
    std::uint64_t offset = 0;
    while (const std::size_t count = file.read(offset, piece)) {
        digest.update(std::span(piece).first(count));
        offset += count;
    }
    return digest.hex();
}

}  // namespace latentlink
