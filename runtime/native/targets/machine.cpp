#include "targets/machine.h"

#include <dlfcn.h>
#include <sys/utsname.h>

#include <array>

#include "vocabulary/system_files.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr std::array<const char*, 2> DRIVERS = {"libcuda.so.1", "libcuda.so"};

// CUdevice_attribute of cuda.h
constexpr int MAJOR = 75, MINOR = 76;

struct Cuda {
    std::optional<std::pair<int, int>> driver;
    std::vector<Gpu> gpus;
};

// The calls of the CUDA Driver API that say what there is; each returns 0 on success. cuda.h is not needed.
class Driver {
  public:
    explicit Driver(void* library) : library_(library) {}

    template <typename... Arguments>
    bool call(const char* name, Arguments... arguments) const {
        void* found = ::dlsym(library_, name);
        return found != nullptr && reinterpret_cast<int (*)(Arguments...)>(found)(arguments...) == 0;
    }

  private:
    void* library_;
};

std::optional<Gpu> query_gpu(const Driver& driver, int ordinal) {
    int device = 0, major = 0, minor = 0;
    std::size_t size = 0;
    std::array<char, 256> name{};
    const bool found = driver.call("cuDeviceGet", &device, ordinal) &&
                       driver.call("cuDeviceGetName", name.data(), static_cast<int>(name.size()), device) &&
                       driver.call("cuDeviceGetAttribute", &major, MAJOR, device) &&
                       driver.call("cuDeviceGetAttribute", &minor, MINOR, device) &&
                       driver.call("cuDeviceTotalMem_v2", &size, device);
    if (!found) return std::nullopt;
    name.back() = '\0';
    return Gpu{.name = name.data(), .capability = {major, minor}, .memory = size};
}

// The driver's CUDA version and the GPUs, from the driver itself.
Cuda query_cuda() {
    Cuda cuda;
    for (const char* name : DRIVERS) {
        void* library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);  // stays open: a driver cannot be unloaded
        if (library == nullptr) continue;
        const Driver driver(library);
        int version = 0, count = 0;
        if (!driver.call("cuDriverGetVersion", &version)) return cuda;
        cuda.driver = {version / 1000, version % 1000 / 10};
        if (!driver.call("cuInit", 0u) || !driver.call("cuDeviceGetCount", &count)) return cuda;
        for (int ordinal = 0; ordinal < count; ++ordinal) {
            if (auto gpu = query_gpu(driver, ordinal)) cuda.gpus.push_back(std::move(*gpu));
        }
        return cuda;
    }
    return cuda;
}

// The value of the first line of a key: of the first processor.
std::string first_value(const std::vector<std::string>& lines, std::string_view key) {
    for (const std::string& line : lines) {
        const std::vector<std::string> fields = split(line, ':', 2);
        const std::vector<std::string> named = words(fields[0]);
        if (fields.size() != 2 || split(key, ' ') != named) continue;
        const std::size_t begin = fields[1].find_first_not_of(" \t"), end = fields[1].find_last_not_of(" \t");
        return begin == std::string::npos ? "" : fields[1].substr(begin, end + 1 - begin);
    }
    return "";
}

bool is_asked_for(std::string_view instruction) {
    for (const Target& target : targets()) {
        for (const auto& [precision, names] : target.instructions) {
            for (const std::string_view name : names) {
                if (name == instruction) return true;
            }
        }
    }
    return false;
}

}  // namespace

std::optional<std::string> Machine::version(const Package& package) const {
    if (!package.soname.empty()) {
        const auto found = versions.find(package.soname);
        return found == versions.end() ? std::nullopt : std::optional(found->second);
    }
    for (const std::string_view name : package.distributions) {
        if (const auto found = versions.find(name); found != versions.end()) return found->second;
    }
    return std::nullopt;
}

Machine this_machine(Versions versions) {
    static const Cuda cuda = query_cuda();
    static const std::vector<std::string> cpuinfo = system_lines("/proc/cpuinfo");
    utsname system{};
    ::uname(&system);
    Machine machine{.os = lower(system.sysname),
                    .architecture = system.machine,
                    .driver = cuda.driver,
                    .gpus = cuda.gpus,
                    .versions = std::move(versions),
                    .processor = first_value(cpuinfo, "model name")};
    for (std::string& flag : words(first_value(cpuinfo, "flags"))) {
        if (is_asked_for(flag)) machine.instructions.insert(std::move(flag));
    }
    return machine;
}

}  // namespace latentlink
