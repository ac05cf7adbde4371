#include "vectors.h"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "samplers/schedules/schedule_fields.h"

namespace latentlink {

namespace {

std::string read_bytes(const std::string& file) {
    std::ifstream stream(std::string(LATENTLINK_VECTORS) + "/" + file, std::ios::binary);
    if (!stream) throw std::runtime_error("Received no file " + file + "; expected one of tests/vectors.");
    return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

Json read_json(const std::string& file) { return Json::parse(read_bytes(file)); }

template <typename Number>
std::vector<Number> read_tensor(const std::string& file, const std::string& name) {
    const std::string bytes = read_bytes(file);
    std::uint64_t header;
    std::memcpy(&header, bytes.data(), sizeof header);
    const Json tensor = Json::parse(bytes.substr(sizeof header, header)).at(name);
    const auto begin = tensor.at("data_offsets").at(0).get<std::size_t>();
    const auto end = tensor.at("data_offsets").at(1).get<std::size_t>();
    std::vector<Number> numbers((end - begin) / sizeof(Number));
    std::memcpy(numbers.data(), bytes.data() + sizeof header + header + begin, end - begin);
    return numbers;
}

template std::vector<double> read_tensor(const std::string&, const std::string&);
template std::vector<float> read_tensor(const std::string&, const std::string&);
template std::vector<std::uint16_t> read_tensor(const std::string&, const std::string&);

Schedule schedule_named(const std::string& name) {
    static const Json schedules = read_json("tables.json").at("schedules");
    return read_schedule(schedules.at(name));
}

SamplerRequest request_of(const Json& given) {
    SamplerRequest request{.sampler = given.at("sampler"), .steps = given.at("steps")};
    read(given, "spacing", request.spacing);
    read(given, "sigmas", request.sigmas);
    read(given, "eta", request.eta);
    read(given, "shift", request.shift);
    read(given, "width", request.width);
    read(given, "height", request.height);
    read(given, "strength", request.strength);
    read(given, "start", request.start);
    read(given, "end", request.end);
    return request;
}

}  // namespace latentlink
