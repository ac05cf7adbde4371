// Files: written whole or not at all, read with a limit.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "../temporary.h"
#include "vocabulary/checks.h"
#include "vocabulary/files.h"
#include "vocabulary/sha256.h"

using namespace latentlink;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, const std::string& content) {
    atomic_file(path, [&](const fs::path& part) { write_file(part, content); });
}

std::size_t entries(const fs::path& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("SHA-256 is that of its standard") {
    CHECK(sha256_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Sha256 digest;
    digest.update("a");
    digest.update("bc");
    CHECK(digest.hex() == sha256_of("abc"));
    CHECK(digest.hex() == sha256_of(""));
    const TemporaryFolder folder;
    const std::string large(3'000'001, 'x');
    CHECK(sha256_of_file(folder.file("a", large)) == sha256_of(large));
}

TEST_CASE("a new file is made with its folders, and nothing is left beside it") {
    const TemporaryFolder folder;
    write(folder / "a/b/c.png", "new");
    CHECK(content_of(folder / "a/b/c.png") == "new");
    CHECK(entries(folder / "a/b") == 1);
}

TEST_CASE("an existing file keeps its mode, and a link to it stays a link") {
    const TemporaryFolder folder;
    folder.file("real", "old");
    ::chmod((folder / "real").c_str(), 0640);
    fs::create_symlink("real", folder / "link");
    write(folder / "link", "new");
    CHECK(fs::is_symlink(folder / "link"));
    CHECK(content_of(folder / "real") == "new");
    CHECK(static_cast<int>(fs::status(folder / "real").permissions()) == 0640);
    CHECK(entries(folder.path()) == 2);
}

TEST_CASE("a link to a file that does not exist yet is followed") {
    const TemporaryFolder folder;
    fs::create_directory(folder / "other");
    fs::create_symlink("other/new", folder / "link");
    write(folder / "link", "new");
    CHECK(fs::is_symlink(folder / "link"));
    CHECK(content_of(folder / "other/new") == "new");
}

TEST_CASE("a writer that fails leaves the old file, and nothing else") {
    const TemporaryFolder folder;
    folder.file("a", "old");
    const auto fails = [](const fs::path& part) {
        write_file(part, std::string_view("half"));
        throw UsageError("no");
    };
    CHECK_THROWS_AS(atomic_file(folder / "a", fails), UsageError);
    CHECK(content_of(folder / "a") == "old");
    CHECK(entries(folder.path()) == 1);
}

TEST_CASE("the part has the file's suffix and does not exist") {
    const TemporaryFolder folder;
    fs::path seen;
    atomic_file(folder / (std::string(200, 'n') + ".png"), [&](const fs::path& part) {
        seen = part;
        CHECK_FALSE(fs::exists(part));
        write_file(part, std::string_view("x"));
    });
    CHECK(seen.extension() == ".png");
    CHECK(seen.filename().string().front() == '.');
}

TEST_CASE("an unfinished file may lie beside another one") {
    const TemporaryFolder folder;
    fs::create_directory(folder / "a");
    atomic_file(
        folder / "b",
        [&](const fs::path& part) {
            CHECK(part.parent_path() == fs::canonical(folder / "a"));
            write_file(part, std::string_view("x"));
        },
        folder / "a/c");
    CHECK(content_of(folder / "b") == "x");
    CHECK(entries(folder / "a") == 0);
}

TEST_CASE("a folder, or a file as a folder, is refused") {
    const TemporaryFolder folder;
    folder.file("file", "");
    CHECK_THROWS_WITH_AS(
        write(folder.path(), ""),
        ("'" + folder.path().string() + "' is a folder; expected the name of a file to write.").c_str(), UsageError);
    CHECK_THROWS_WITH_AS(
        write(folder / "file/a.png", ""),
        ("'" + (folder / "file").string() + "' is a file; expected a folder to write 'a.png' in.").c_str(), UsageError);
}

TEST_CASE("a stream gets the finished bytes and is not replaced") {
    const TemporaryFolder folder;
    write("/dev/null", "x");
    CHECK(is_stream("/dev/null"));
    CHECK_FALSE(is_stream(folder.file("a", "")));
    CHECK_FALSE(is_stream(folder.path()));
    CHECK_FALSE(is_stream(folder / "nothing"));
    const fs::path pipe = folder / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK_THROWS_WITH_AS(
        write(pipe, "x"),
        ("Nobody reads the pipe '" + pipe.string() + "'; expected one with a reader. Start its reader first.").c_str(),
        UsageError);
    const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
    const std::string large(200'000, 'x');  // more than a pipe holds
    std::string read;
    std::thread thread([&] { write(pipe, large); });
    char piece[4096];
    while (read.size() < large.size()) {
        const ssize_t count = ::read(reader, piece, sizeof piece);
        if (count > 0) read.append(piece, static_cast<std::size_t>(count));
    }
    thread.join();
    ::close(reader);
    CHECK(read == large);
}

TEST_CASE("files are read with a limit, and only regular ones") {
    const TemporaryFolder folder;
    CHECK(read_file(folder.file("a", "1234"), 4) == "1234");
    CHECK_FALSE(read_file(folder / "a", 3).has_value());
    CHECK_THROWS_WITH_AS(read_file(folder / "no", 9),
                         ("No such file or directory: " + (folder / "no").string() + ".").c_str(), MachineError);
    CHECK_THROWS_AS(read_file(folder.path(), 9), MachineError);
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK_THROWS_AS(read_file(folder / "pipe", 9), MachineError);  // and does not wait for its writer
    CHECK_THROWS_AS(read_file("/dev/zero", 9), MachineError);
}

TEST_CASE("a full disk is said in one sentence") {
    CHECK(std::string(system_error(ENOSPC, "a").what()) == "The disk is full (a). Free some space.");
    CHECK(std::string(system_error(EACCES).what()) == "Permission denied.");
    CHECK_THROWS_AS(write("/dev/full", "x"), MachineError);
}

TEST_CASE("what cannot be an input is refused") {
    const TemporaryFolder folder;
    CHECK(check_input(folder.file("a", ""), "a picture") == folder / "a");
    CHECK_THROWS_WITH_AS(check_input("nowhere", "a picture"), "There is no file 'nowhere'; expected a picture.",
                         UsageError);
    CHECK_THROWS_WITH_AS(check_input("/dev/null", "a picture"),
                         "'/dev/null' is a device, pipe or socket; expected a picture. Write it to a file first.",
                         UsageError);
    CHECK_THROWS_WITH_AS(check_input("/tmp", "a picture"), "'/tmp' is a folder; expected a picture.", UsageError);
    CHECK_THROWS_WITH_AS(check_input("-", "a picture"),
                         "Standard input is not read; expected the name of a picture. Write it to a file first.",
                         UsageError);
}
