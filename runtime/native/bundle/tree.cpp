#include "bundle/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "bundle/record_checks.h"
#include "vocabulary/processors.h"
#include "vocabulary/sha256.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t MAX_ENTRIES = 20'000;
constexpr std::ptrdiff_t MAX_DEPTH = 64;
constexpr std::int64_t MAX_FILE_BYTES = std::int64_t{1} << 50;
constexpr int HASHING_THREADS = 4;  // more would only wait for the disk
constexpr std::size_t BUFFER_BYTES = 1 << 20;
constexpr auto PROGRESS_INTERVAL = std::chrono::milliseconds(100);

BundleError irregular(const fs::path& path, bool link) {
    return BundleError(repr(path.string()) + " is a " + (link ? "symbolic link" : "folder, device, FIFO or socket") +
                           "; expected a regular file.",
                       link ? "Copy the bundle with its links resolved: cp -rL BUNDLE COPY." : DAMAGED_REMEDY);
}

struct stat status_of(const fs::path& path) {
    struct stat status;
    if (::lstat(path.c_str(), &status) != 0) throw system_error(errno, path);
    return status;
}

struct stat status_of(const Descriptor& file, const fs::path& path) {
    struct stat status;
    if (::fstat(file.number(), &status) != 0) throw system_error(errno, path);
    return status;
}

// Read up to a buffer's size; 0 at the end of the file.
std::size_t read_some(const Descriptor& file, const fs::path& path, std::span<std::byte> into) {
    for (;;) {
        const ssize_t count = ::read(file.number(), into.data(), into.size());
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR) throw system_error(errno, path);
    }
}

// A directory that is being listed.
class Folder {
  public:
    explicit Folder(const fs::path& path) : path_(path), stream_(::opendir(path.c_str())) {
        if (stream_ == nullptr) throw system_error(errno, path);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { ::closedir(stream_); }

    // The next name; empty at the end.
    std::string next() {
        for (;;) {
            errno = 0;
            const dirent* entry = ::readdir(stream_);
            if (entry == nullptr && errno != 0) throw system_error(errno, path_);
            if (entry == nullptr) return "";
            const std::string name = entry->d_name;
            if (name != "." && name != "..") return name;
        }
    }

  private:
    fs::path path_;
    DIR* stream_;
};

// Hashes files in threads of its own, which end with it; the largest file first, so that it does not run alone at the
// end.
class Hashing {
  public:
    Hashing(const fs::path& root, std::span<const SizedFile> files) : root_(root) {
        for (const SizedFile& file : files) waiting_.push_back(&file);
        std::ranges::stable_sort(waiting_, std::greater(), &SizedFile::size);
        const auto count = std::min(static_cast<std::size_t>(std::min(HASHING_THREADS, processors())), files.size());
        for (std::size_t number = 0; number < count; ++number) threads_.emplace_back([this] { work(); });
    }
    Hashing(const Hashing&) = delete;
    Hashing& operator=(const Hashing&) = delete;
    ~Hashing() {
        stop_ = true;
        for (std::thread& thread : threads_) thread.join();
    }

    struct Hashed {
        const SizedFile* file;
        std::string sha256;
        std::exception_ptr failure;
    };

    std::uint64_t done_bytes() const { return done_bytes_; }

    // Files that were hashed since; waits for one, but not for long.
    std::vector<Hashed> wait() {
        std::unique_lock lock(mutex_);
        news_.wait_for(lock, PROGRESS_INTERVAL, [this] { return !done_.empty(); });
        return std::exchange(done_, {});
    }

  private:
    void work() {
        while (const SizedFile* file = take()) {
            Hashed hashed{.file = file, .sha256 = {}, .failure = nullptr};
            try {
                hashed.sha256 = hash(*file);
            } catch (...) {
                hashed.failure = std::current_exception();
            }
            const std::lock_guard lock(mutex_);
            done_.push_back(std::move(hashed));
            news_.notify_one();
        }
    }

    const SizedFile* take() {
        const std::lock_guard lock(mutex_);
        if (stop_ || waiting_.empty()) return nullptr;
        const SizedFile* file = waiting_.front();
        waiting_.pop_front();
        return file;
    }

    std::string hash(const SizedFile& file) {
        const fs::path path = below(root_, file.path);
        const Descriptor opened = open_regular(path);
        std::vector<std::byte> buffer(std::min<std::uint64_t>(BUFFER_BYTES, file.size + 1));
        Sha256 sha256;
        std::uint64_t done = 0;
        while (!stop_ && done <= file.size) {
            const std::size_t count = read_some(opened, path, buffer);
            if (count == 0) break;
            done += count;
            done_bytes_ += count;
            sha256.update(std::span(buffer).first(count));
        }
        if (done != file.size && !stop_) throw wrong_size(path, done, file.size);
        return sha256.hex();
    }

    fs::path root_;
    std::mutex mutex_ = {};
    std::condition_variable news_ = {};
    std::deque<const SizedFile*> waiting_ = {};
    std::vector<Hashed> done_ = {};
    std::atomic<bool> stop_ = false;
    std::atomic<std::uint64_t> done_bytes_ = 0;
    std::vector<std::thread> threads_ = {};
};

}  // namespace

Json FileEntry::to_json() const { return {{"sha256", sha256}, {"size", size}}; }

FileEntry FileEntry::from_json(const Json& value) {
    const Json& record = record_of(value, {"sha256", "size"});
    FileEntry entry;
    entry.sha256 = check_pattern("sha256", record["sha256"], is_sha256, "a SHA-256 in lower-case hex digits");
    entry.size = static_cast<std::uint64_t>(check_int("size", record["size"], 0, MAX_FILE_BYTES));
    return entry;
}

fs::path below(const fs::path& root, std::string_view path) { return root == "." ? fs::path(path) : root / path; }

Tree read_tree(const fs::path& root) {
    Tree tree;
    std::vector<std::string> waiting = {""};
    while (!waiting.empty()) {
        const std::string folder = std::move(waiting.back());
        waiting.pop_back();
        Folder listed(folder.empty() ? root : below(root, folder));
        for (std::string name = listed.next(); !name.empty(); name = listed.next()) {
            const std::string path = folder.empty() ? name : folder + "/" + name;
            if (tree.files.size() + tree.folders.size() >= MAX_ENTRIES || std::ranges::count(path, '/') >= MAX_DEPTH) {
                throw BundleError(repr(root.string()) + " holds over " + std::to_string(MAX_ENTRIES) + " files or " +
                                      std::to_string(MAX_DEPTH) + " levels, expected less.",
                                  DAMAGED_REMEDY);
            }
            const struct stat status = status_of(below(root, path));
            if (S_ISDIR(status.st_mode)) {
                tree.folders.push_back(path);
                waiting.push_back(path);
            } else if (S_ISREG(status.st_mode)) {
                tree.files.push_back({path, static_cast<std::uint64_t>(status.st_size)});
            } else {
                throw irregular(below(root, path), S_ISLNK(status.st_mode));
            }
        }
    }
    return tree;
}

fs::path check_regular(const fs::path& root, std::string_view path) {
    for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
        const fs::path step = below(root, path.substr(0, slash));
        struct stat status;
        if (::lstat(step.c_str(), &status) != 0) {
            if (errno != ENOENT && errno != ENOTDIR) throw system_error(errno, step);
            throw BundleError(repr(step.string()) + " is missing; expected a file of the bundle.", DAMAGED_REMEDY);
        }
        const bool last = slash == std::string_view::npos;
        if (last ? !S_ISREG(status.st_mode) : !S_ISDIR(status.st_mode)) {
            throw irregular(step, S_ISLNK(status.st_mode));
        }
        if (last) return step;
    }
}

Descriptor open_regular(const fs::path& path) {
    const struct stat status = status_of(path);
    if (!S_ISREG(status.st_mode)) throw irregular(path, S_ISLNK(status.st_mode));
    Descriptor opened(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (opened.number() < 0) throw system_error(errno, path);
    if (!S_ISREG(status_of(opened, path).st_mode)) throw irregular(path, false);
    return opened;
}

std::uint64_t size_of(const Descriptor& file, const fs::path& path) {
    return static_cast<std::uint64_t>(status_of(file, path).st_size);
}

std::string read_all(const Descriptor& file, const fs::path& path, std::size_t most) {
    std::string bytes(std::min<std::uint64_t>(size_of(file, path), most), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const std::size_t count = read_some(file, path, std::as_writable_bytes(std::span(bytes)).subspan(done));
        if (count == 0) break;
        done += count;
    }
    bytes.resize(done);
    return bytes;
}

void hash_files(const fs::path& root, std::span<const SizedFile> files,
                const std::function<void(const SizedFile& file, const std::string& sha256)>& check,
                const OnProgress& on_progress) {
    std::uint64_t total = 0;
    for (const SizedFile& file : files) total += file.size;
    Hashing hashing(root, files);
    for (std::size_t pending = files.size(); pending > 0;) {
        for (const Hashing::Hashed& hashed : hashing.wait()) {
            --pending;
            if (hashed.failure) std::rethrow_exception(hashed.failure);
            check(*hashed.file, hashed.sha256);
        }
        if (on_progress) on_progress(hashing.done_bytes(), total);
    }
}

BundleError wrong_size(const fs::path& path, std::uint64_t received, std::uint64_t expected) {
    return BundleError(repr(path.string()) + " has " + std::to_string(received) + " bytes; expected " +
                           std::to_string(expected) + ", as the manifest says.",
                       DAMAGED_REMEDY);
}

}  // namespace latentlink
