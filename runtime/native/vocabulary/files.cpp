#include "vocabulary/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

#include "vocabulary/texts.h"

namespace latentlink {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t MOST_STEM = 20;   // bytes of a file's name that its temporary one keeps: a name has at most 255
constexpr std::size_t PIECE = 1 << 20;  // bytes that are copied at a time
constexpr std::size_t MOST_WRITE = 1 << 30;  // bytes of one write(2), which takes less than 2 GiB

[[noreturn]] void fail(const fs::path& path) { throw system_error(errno, path); }

Descriptor open_file(const fs::path& path, int flags, mode_t mode = 0) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (number < 0) fail(path);
    return Descriptor(number);
}

void write_all(const Descriptor& file, std::span<const std::byte> bytes, const fs::path& path) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file.number(), bytes.data(), std::min(bytes.size(), MOST_WRITE));
        if (written < 0 && errno != EINTR) fail(path);
        if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

bool is_standard_output(const struct stat& found) {
    struct stat own;
    return ::fstat(1, &own) == 0 && own.st_dev == found.st_dev && own.st_ino == found.st_ino;
}

// Open what is no file for writing. Standard output goes on where it is, instead of being opened again.
Descriptor open_stream(const fs::path& stream) {
    struct stat found;
    if (::stat(stream.c_str(), &found) != 0) fail(stream);
    if (is_standard_output(found)) {
        const int number = ::fcntl(1, F_DUPFD_CLOEXEC, 0);
        if (number < 0) fail(stream);
        return Descriptor(number);
    }
    // without waiting for the reader of a pipe, which may never come
    const int number = ::open(stream.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (number < 0 && errno == ENXIO) {
        throw UsageError("Nobody reads the pipe " + repr(stream.string()) + "; expected one with a reader.",
                         "Start its reader first.");
    }
    if (number < 0) fail(stream);
    Descriptor opened(number);
    if (::fcntl(number, F_SETFL, ::fcntl(number, F_GETFL) & ~O_NONBLOCK) != 0) fail(stream);
    return opened;
}

// Write a file's bytes to a stream.
void send(const fs::path& part, const fs::path& stream) {
    const InputFile file(part);
    Descriptor out = open_stream(stream);
    std::vector<std::byte> piece(PIECE);
    std::uint64_t offset = 0;
    while (const std::size_t count = file.read(offset, piece)) {
        write_all(out, std::span(piece).first(count), stream);
        offset += count;
    }
    out.close(stream);
}

// A name that no other process uses, and no other call in this one.
std::string unique() {
    std::random_device random;
    char text[32];
    std::snprintf(text, sizeof text, "%ld-%08x", static_cast<long>(::getpid()), static_cast<unsigned>(random()));
    return text;
}

void sync(const fs::path& path, int flags) {
    const Descriptor opened = open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | flags);
    if (::fsync(opened.number()) != 0 && !(flags == O_DIRECTORY && errno == EINVAL)) {
        fail(path);  // EINVAL is from file systems that cannot sync a folder
    }
}

// Give the new content the mode and owner of the old, as far as this user may.
void keep_mode(const fs::path& target, const fs::path& part) {
    struct stat old;
    if (::stat(target.c_str(), &old) != 0) {
        if (errno == ENOENT) return;
        fail(target);
    }
    if (::chown(part.c_str(), old.st_uid, old.st_gid) != 0 && errno != EPERM && errno != EACCES) fail(part);
    if (::chmod(part.c_str(), old.st_mode & 07777) != 0) fail(part);
}

void make_parent(const fs::path& target) {
    std::error_code error;
    const fs::path parent = target.parent_path();
    fs::create_directories(parent, error);
    const bool blocked = error == std::errc::file_exists || error == std::errc::not_a_directory;
    if (blocked || (!error && !fs::is_directory(parent, error))) {
        throw UsageError(repr(parent.string()) + " is a file; expected a folder to write " +
                         repr(target.filename().string()) + " in.");
    }
    if (error) throw system_error(error.value(), parent);
}

// The path with its links followed, of which the last parts need not exist.
fs::path real_path(const fs::path& path) {
    std::error_code error;
    fs::path followed = fs::weakly_canonical(fs::absolute(path), error);
    if (error) throw system_error(error.value(), path);
    // A link whose target does not exist is not followed by weakly_canonical.
    for (int links = 0; fs::is_symlink(followed, error); ++links) {
        if (links == 40) throw system_error(ELOOP, path);
        const fs::path next = fs::read_symlink(followed, error);
        if (error) throw system_error(error.value(), path);
        followed = fs::weakly_canonical(followed.parent_path() / next, error);
        if (error) throw system_error(error.value(), path);
    }
    return followed.has_filename() ? followed : followed.parent_path();
}

// Bytes of a name, without cutting a character.
std::string cut(const std::string& name) {
    std::size_t end = std::min(name.size(), MOST_STEM);
    while (end > 0 && end < name.size() && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
    return name.substr(0, end);
}

// Removes a path when the block ends, however it ends.
struct Removed {
    fs::path path;
    ~Removed() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

// A folder for this process alone.
fs::path make_private_folder() {
    std::string name = (fs::temp_directory_path() / "latentlink-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail(name);
    return name;
}

}  // namespace

MachineError system_error(int code, const fs::path& path) {
    if (code == ENOSPC) {
        return MachineError("The disk is full (" + (path.empty() ? "while writing" : path.string()) + ").",
                            "Free some space.");
    }
    const std::string reason = std::generic_category().message(code);
    return MachineError(path.empty() ? reason + "." : reason + ": " + path.string() + ".");
}

Descriptor::~Descriptor() {
    if (number_ >= 0) ::close(number_);
}

void Descriptor::close(const fs::path& path) {
    const int number = std::exchange(number_, -1);
    if (number >= 0 && ::close(number) != 0 && errno != EINTR) fail(path);
}

InputFile::InputFile(fs::path path)
    : path_(std::move(path)), descriptor_(open_file(path_, O_RDONLY | O_NONBLOCK | O_NOCTTY)) {
    struct stat found;
    if (::fstat(descriptor_.number(), &found) != 0) fail(path_);
    if (S_ISDIR(found.st_mode)) throw system_error(EISDIR, path_);
    if (!S_ISREG(found.st_mode)) throw system_error(EINVAL, path_);
    size_ = static_cast<std::uint64_t>(found.st_size);
}

std::size_t InputFile::read(std::uint64_t offset, std::span<std::byte> into) const {
    std::size_t filled = 0;
    while (filled < into.size()) {
        const ssize_t count = ::pread(descriptor_.number(), into.data() + filled,
                                      std::min(into.size() - filled, MOST_WRITE), static_cast<off_t>(offset + filled));
        if (count < 0 && errno != EINTR) fail(path_);
        if (count == 0) break;
        if (count > 0) filled += static_cast<std::size_t>(count);
    }
    return filled;
}

std::optional<std::string> read_file(const fs::path& path, std::uint64_t most) {
    const InputFile file(path);
    if (file.size() > most) return std::nullopt;
    std::string text(file.size(), '\0');
    text.resize(file.read(0, std::as_writable_bytes(std::span(text))));  // it may have been cut since it was opened
    return text;
}

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
    Descriptor file = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    write_all(file, bytes, path);
    file.close(path);
}

bool is_stream(const fs::path& path) {
    struct stat found;
    if (::stat(path.c_str(), &found) != 0) return false;
    return !(S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)) || is_standard_output(found);
}

void atomic_file(const fs::path& path, const std::function<void(const fs::path&)>& write,
                 const std::optional<fs::path>& beside) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
        throw UsageError(repr(path.string()) + " is a folder; expected the name of a file to write.");
    }
    if (is_stream(path)) {
        const Removed folder{make_private_folder()};
        const fs::path part = folder.path / ("part" + path.extension().string());
        write(part);
        send(part, path);
        return;
    }
    const fs::path target = real_path(path);
    if (::access(target.c_str(), F_OK) == 0 && ::access(target.c_str(), W_OK) != 0) throw system_error(EACCES, path);
    make_parent(target);
    const fs::path neighbour = beside ? real_path(*beside) : target;
    std::string name(1, '.');
    name += cut(target.stem().string()) + "." + unique() + ".part" + cut(target.extension().string());
    const Removed part{neighbour.parent_path() / name};
    write(part.path);
    sync(part.path, 0);
    keep_mode(target, part.path);
    if (::rename(part.path.c_str(), target.c_str()) != 0) fail(path);
    sync(target.parent_path(), O_DIRECTORY);
}

}  // namespace latentlink
