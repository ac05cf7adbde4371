// What a process finds around it: processors, memory, the user's cache, and the bundles that come with the program.

#include <doctest/doctest.h>

#include <cstdlib>

#include "../temporary.h"
#include "targets/memory.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/processors.h"
#include "vocabulary/user_cache.h"

using namespace latentlink;
namespace fs = std::filesystem;

namespace {

// Sets a variable of the environment while a test runs.
class Variable {
  public:
    Variable(const char* name, const char* value) : name_(name) {
        if (const char* old = std::getenv(name)) old_ = old, was_set_ = true;
        value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
    }
    ~Variable() { was_set_ ? ::setenv(name_, old_.c_str(), 1) : ::unsetenv(name_); }

  private:
    const char* name_;
    std::string old_;
    bool was_set_ = false;
};

ControlGroups groups_of(const TemporaryFolder& folder, const std::string& groups, const std::string& mounts) {
    return {.groups = folder.file("cgroup", groups), .mounts = folder.file("mountinfo", mounts)};
}

// A line of mountinfo.
std::string mount(const std::string& root, const fs::path& place, const std::string& system) {
    return "1 2 0:1 " + root + " " + place.string() + " rw - " + system + "\n";
}

}  // namespace

TEST_CASE("the smallest CPU quota of the groups around a process counts") {
    const TemporaryFolder folder;
    const fs::path top = folder / "v2";
    folder.file("v2/a/cpu.max", "150000 100000\n");
    folder.file("v2/a/b/cpu.max", "max 100000\n");
    const auto found = groups_of(folder, "0::/a/b\n", mount("/", top, "cgroup2 cgroup2 rw"));
    CHECK(cpu_quota(found) == 1.5);
    CHECK(processors(found) <= 2);
    CHECK(processors(found) >= 1);
    folder.file("v2/a/b/cpu.max", "5000 100000\n");
    CHECK(cpu_quota(found) == 0.05);
    CHECK(processors(found) == 1);
    folder.file("v2/a/b/cpu.max", "5000 0\n");
    CHECK(cpu_quota(found) == 1.5);
}

TEST_CASE("a container sees the groups below its own mount, also at a path with a space") {
    const TemporaryFolder folder;
    folder.file("with space/cpu.max", "200000 100000");
    folder.file("cpu.max", "1000 100000");
    const std::string place = (folder / "with\\040space").string();
    CHECK(cpu_quota(groups_of(folder, "0::/../host\n", mount("/", place, "cgroup2 c rw"))) == 2);
    CHECK(cpu_quota(groups_of(folder, "0::/box/a\n", mount("/box", place, "cgroup2 c rw"))) == 2);
}

TEST_CASE("version 1 has its quota in two files, and -1 for none") {
    const TemporaryFolder folder;
    const fs::path top = folder / "cpu";
    folder.file("cpu/a/cpu.cfs_quota_us", "-1\n");
    folder.file("cpu/a/cpu.cfs_period_us", "100000\n");
    const auto found = groups_of(folder, "3:cpu,cpuacct:/a\n2:memory:/x\n", mount("/", top, "cgroup c rw,cpu,cpuacct"));
    CHECK_FALSE(cpu_quota(found).has_value());
    folder.file("cpu/a/cpu.cfs_quota_us", "50000\n");
    CHECK(cpu_quota(found) == 0.5);
    CHECK_FALSE(cpu_quota(groups_of(folder, "3:cpu:/a\n", mount("/", top, "cgroup c rw,memory"))).has_value());
    CHECK_FALSE(cpu_quota(groups_of(folder, "no group\n", "no mount\n")).has_value());
    CHECK_FALSE(cpu_quota({.groups = folder / "no", .mounts = folder / "no"}).has_value());
}

TEST_CASE("free memory is the machine's, or what the groups leave") {
    const TemporaryFolder folder;
    MemoryFiles files{.meminfo = folder.file("meminfo", "MemTotal: 9 kB\nMemAvailable:   4000 kB\n"),
                      .cgroup = folder.file("cgroup", "0::/a\n"),
                      .groups = folder / "fs"};
    CHECK(free_memory(files) == 4'096'000);
    folder.file("fs/a/memory.max", "1000000\n");
    folder.file("fs/a/memory.current", "900000\n");
    folder.file("fs/a/memory.stat", "anon 5\ninactive_file 50000\n");
    CHECK(free_memory(files) == 150'000);
    folder.file("fs/a/memory.max", "max\n");
    CHECK(free_memory(files) == 4'096'000);
    folder.file("fs/memory.max", "1000\n");  // the group's path is the host's: only the top is there
    folder.file("fs/memory.current", "2000\n");
    folder.file("fs/memory.stat", "");
    CHECK(free_memory(files) == 0);
    files.cgroup = folder.file("cgroup", "4:memory:/b\n");
    CHECK(free_memory(files) == 4'096'000);
    folder.file("fs/memory/memory.limit_in_bytes", "3000\n");
    folder.file("fs/memory/memory.usage_in_bytes", "1000\n");
    folder.file("fs/memory/memory.stat", "total_inactive_file 7\n");
    CHECK(free_memory(files) == 2007);
    CHECK_FALSE(free_memory({.meminfo = "/no", .cgroup = "/no", .groups = "/no"}).has_value());
}

TEST_CASE("the cache is where the user says, or at home") {
    const Variable home("HOME", "/home/someone");
    {
        const Variable cache("XDG_CACHE_HOME", "/cache");
        CHECK(user_cache() == "/cache/latentlink");
    }
    {
        const Variable cache("XDG_CACHE_HOME", "relative");
        CHECK(user_cache() == "/home/someone/.cache/latentlink");
    }
    const Variable cache("XDG_CACHE_HOME", nullptr);
    CHECK(user_cache() == "/home/someone/.cache/latentlink");
}

TEST_CASE("a name is a bundle of the program, and a path is a path") {
    const Variable unset("LATENTLINK_BUNDLES", nullptr);
    CHECK(bundle_path("./demo") == "demo");
    CHECK(holds_manifest(bundle_path("demo")));  // of the sources
    CHECK(names_bundle("demo-b"));
    CHECK_FALSE(names_bundle("nowhere"));
    const TemporaryFolder folder;
    folder.file("demo/manifest.json", "{}");
    const Variable named("LATENTLINK_BUNDLES", folder.path().c_str());
    CHECK(bundle_path("demo") == folder / "demo");
    CHECK_THROWS_AS(bundle_path("demo-b"), UsageError);
    CHECK_THROWS_AS(bundle_path(""), UsageError);
}

TEST_CASE("what is no bundle is said to be what it is") {
    const TemporaryFolder folder;
    const auto says = [&](const std::string& name, const std::string& found, const std::string& remedy) {
        const UsageError error = no_bundle(folder / name);
        CHECK(error.message() ==
              "'" + (folder / name).string() + "' " + found + "; expected the folder of a bundle or export.");
        CHECK(error.remedy().starts_with(remedy));
    };
    folder.file("mine/manifest.json", "{}");
    folder.file("mine/engines/a", "");
    folder.file("plain/a", "");
    folder.file("model/unet/diffusion_pytorch_model.fp16.safetensors", "");
    says("mne", "does not exist", "Did you mean 'mine'?");
    says("demo", "does not exist", "The bundle of the package is named as text, without a folder: demo.");
    says("nothing like it", "does not exist", "Make one: ");
    says("mine/manifest.json", "is the manifest of a bundle", "Name its folder: ");
    says("mine/engines", "is a folder inside of '" + (folder / "mine").string() + "'", "Name that one.");
    says("plain", "is a folder without manifest.json", "Make one: ");
    says("model/unet", "is a checkpoint", "Export it: ");
    says("", "holds no manifest.json, but the folders mine do", "Name one of them: ");
    folder.file("a.PNG", "");
    says("a.PNG", "is a picture", "A run starts from it with: ");
    folder.file("b.safetensors", R"(........{"__metadata__":{"latentlink.symbol":"x"}})");
    says("b.safetensors", "is a file of latents", "A run starts from them with: ");
    folder.file("c.safetensors", "");
    says("c.safetensors", "is a file of weights", "Export it: ");
    folder.file("d.tar", "");
    says("d.tar", "is an archive", "Unpack it first, and name the folder.");
    folder.file("e", "");
    says("e", "is a file", "Make one: ");
    CHECK(no_bundle("/dev/null").message().starts_with("'/dev/null' is a device, pipe or socket;"));
}
