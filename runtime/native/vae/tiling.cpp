#include "vae/tiling.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "vae/square_root.h"
#include "vae/tones.h"
#include "vocabulary/errors.h"

namespace latentlink {

namespace {

constexpr std::int64_t TILE = 16;    // least side of a tile if a canvas holds several: smaller ones are mostly edge
constexpr std::int64_t TILES = 4;    // most along a side of a canvas: 16 have near enough statistics, and less edge
constexpr std::int64_t OVERLAP = 6;  // least overlap of neighbouring tiles, in cells

// Cells at a tile's inner edge that are discarded, as it lay beside a foreign tile; the rest of the overlap blends.
constexpr std::int64_t EDGE = 2;

std::int64_t divided_up(std::int64_t number, std::int64_t by) { return (number + by - 1) / by; }

std::int64_t most_tiles(std::int64_t canvas) { return std::min(std::max<std::int64_t>(canvas / TILE, 1), TILES); }

// A ramp from 0 to 1 across an overlap, without EDGE cells at both sides if there is room.
double ramp(double at, std::int64_t begin, std::int64_t end) {
    const double edge = std::min(static_cast<double>(EDGE), static_cast<double>(end - begin - 1) / 2);
    const double low = static_cast<double>(begin) + edge, high = static_cast<double>(end) - edge;
    if (high > low) return std::clamp((at - low) / (high - low), 0.0, 1.0);
    return at > low ? 1.0 : 0.0;
}

// The weight of a tile at a place in cells, before the weights of all tiles there are made to sum to 1.
double unscaled_weight(const Axis& axis, std::size_t number, double at) {
    const std::int64_t start = axis.starts[number], end = start + axis.tile;
    if (!(at > static_cast<double>(start) && at < static_cast<double>(end))) return 0;
    double weight = 1;
    if (number > 0) weight = std::min(weight, ramp(at, start, axis.starts[number - 1] + axis.tile));
    if (number + 1 < axis.starts.size()) weight = std::min(weight, 1 - ramp(at, axis.starts[number + 1], end));
    return weight;
}

std::string written(const std::vector<std::int64_t>& numbers) {
    std::string listed;
    for (const std::int64_t number : numbers) listed += (listed.empty() ? "" : ", ") + std::to_string(number);
    return "(" + listed + (numbers.size() == 1 ? ",)" : ")");
}

// Cells of the overlap of two tiles along one side, from the beginning of each, without their edges.
struct Overlap {
    std::int64_t first, second, length;
};

Overlap overlap(const Axis& axis, std::int64_t number, std::int64_t after) {
    const auto start = [&](std::int64_t tile) { return axis.starts[static_cast<std::size_t>(tile)]; };
    const std::int64_t gap = start(after) - start(number);
    const std::int64_t edge = gap == 0 ? 0 : std::min(EDGE, (axis.tile - gap - 1) / 2);
    return {gap + edge, edge, axis.tile - gap - 2 * edge};
}

float number_of(std::uint8_t number) { return number; }
float number_of(float number) { return number; }
float number_of(Half number) { return to_float(number); }
float number_of(Brain number) { return to_float(number); }

// The canvas of these rows and columns of tiles.
Array gathered(const Array& array, const Mosaic& mosaic, std::span<const std::int64_t> down,
               std::span<const std::int64_t> across) {
    const auto& [rows, columns] = mosaic;
    if (array.shape().size() != 3) throw std::invalid_argument("inputs of a canvas are [H, W, C]");
    const std::int64_t scale = array.size(0) / rows.length;
    if (scale < 1 || array.size(0) != rows.length * scale || array.size(1) != columns.length * scale) {
        throw std::invalid_argument("inputs of a canvas have the picture's cells");
    }
    Array canvas(array.dtype(), {rows.canvas() * scale, columns.canvas() * scale, array.size(2)});
    const std::size_t pixel = static_cast<std::size_t>(array.size(2)) * size_of(array.dtype());
    const std::size_t run = static_cast<std::size_t>(columns.tile * scale) * pixel;
    std::byte* into = canvas.bytes().data();
    for (const std::int64_t row : down) {
        for (std::int64_t y = 0; y < rows.tile * scale; ++y) {
            const std::int64_t from = (rows.starts[static_cast<std::size_t>(row)] * scale + y) * array.size(1);
            for (const std::int64_t column : across) {
                const std::int64_t x = columns.starts[static_cast<std::size_t>(column)] * scale;
                std::memcpy(into, array.bytes().data() + static_cast<std::size_t>(from + x) * pixel, run);
                into += run;
            }
        }
    }
    return canvas;
}

// The outputs of canvases, blended into one picture.
class Blend {
  public:
    // For outputs of a number of values per cell and of channels.
    Blend(const Mosaic& mosaic, std::int64_t scale, std::int64_t channels)
        : mosaic_(mosaic), scale_(scale), channels_(channels), vertical_(mosaic.rows.weights(scale)),
          horizontal_(mosaic.columns.weights(scale)),
          out_(DType::float32, {mosaic.rows.length * scale, mosaic.columns.length * scale, channels}),
          means_(static_cast<std::size_t>(mosaic.rows.tiles() * mosaic.columns.tiles())) {}

    // Add the output of the canvas of these rows and columns of tiles.
    void add(const Array& made, std::span<const std::int64_t> down, std::span<const std::int64_t> across) {
        const auto& [rows, columns] = mosaic_;
        if (made.shape() != Shape{rows.canvas() * scale_, columns.canvas() * scale_, channels_}) {
            throw std::invalid_argument("the outputs of all canvases have one shape");
        }
        for (std::size_t i = 0; i < down.size(); ++i) {
            for (std::size_t j = 0; j < across.size(); ++j) {
                const Place tile = {down[i], across[j], static_cast<std::int64_t>(i), static_cast<std::int64_t>(j)};
                switch (made.dtype()) {
                    case DType::uint8: add_tile(made.as<std::uint8_t>(), tile); break;
                    case DType::float32: add_tile(made.as<float>(), tile); break;
                    case DType::float16: add_tile(made.as<Half>(), tile); break;
                    case DType::bfloat16: add_tile(made.as<Brain>(), tile); break;
                    default: throw std::invalid_argument("outputs of a canvas are 8-bit or floating");
                }
            }
        }
    }

    // The picture, once all canvases were added: tiles of different canvases differ a little in tone, which would show
    // as an edge in a flat area, so that each is shifted to agree with its neighbours.
    Array finished() {
        for (std::int64_t channel = 0; channel < channels_; ++channel) {
            const std::vector<Neighbours> neighbours = neighbours_in(channel);
            if (neighbours.empty()) break;
            const std::vector<double> offsets = tones(neighbours, means_.size());
            for (std::int64_t row = 0; row < mosaic_.rows.tiles(); ++row) {
                for (std::int64_t column = 0; column < mosaic_.columns.tiles(); ++column) {
                    shift({row, column}, channel, offsets[number_of_tile(row, column)]);
                }
            }
        }
        return out_;
    }

  private:
    // A tile of the picture, and its place on its canvas.
    struct Place {
        std::int64_t row, column;
        std::int64_t down = 0, across = 0;
    };

    std::size_t number_of_tile(std::int64_t row, std::int64_t column) const {
        return static_cast<std::size_t>(row * mosaic_.columns.tiles() + column);
    }

    // Calls `visit` with each pixel of a tile: its row and column in the tile, its place in `out_`, and its weight.
    template <typename Visit>
    void each_pixel(const Place& tile, const Visit& visit) const {
        const std::int64_t height = mosaic_.rows.tile * scale_, width = mosaic_.columns.tile * scale_;
        const std::int64_t top = mosaic_.rows.starts[static_cast<std::size_t>(tile.row)] * scale_;
        const std::int64_t left = mosaic_.columns.starts[static_cast<std::size_t>(tile.column)] * scale_;
        const float* vertical = vertical_.as<float>().data() + tile.row * height;
        const float* horizontal = horizontal_.as<float>().data() + tile.column * width;
        for (std::int64_t y = 0; y < height; ++y) {
            const std::int64_t place = ((top + y) * out_.size(1) + left) * channels_;
            for (std::int64_t x = 0; x < width; ++x) {
                visit(y, x, place + x * channels_, vertical[y] * horizontal[x]);
            }
        }
    }

    template <typename Number>
    void add_tile(std::span<const Number> made, const Place& tile) {
        const std::int64_t height = mosaic_.rows.tile * scale_, width = mosaic_.columns.tile * scale_;
        const std::int64_t stride = mosaic_.columns.canvas() * scale_;
        std::vector<double>& means = means_[number_of_tile(tile.row, tile.column)];
        means.assign(static_cast<std::size_t>(mosaic_.rows.tile * mosaic_.columns.tile * channels_), 0.0);
        float* out = out_.as<float>().data();
        each_pixel(tile, [&](std::int64_t y, std::int64_t x, std::int64_t place, float weight) {
            const std::int64_t from = ((tile.down * height + y) * stride + tile.across * width + x) * channels_;
            const std::int64_t cell = (y / scale_ * mosaic_.columns.tile + x / scale_) * channels_;
            for (std::int64_t channel = 0; channel < channels_; ++channel) {
                const float number = number_of(made[static_cast<std::size_t>(from + channel)]);
                out[place + channel] += number * weight;
                means[static_cast<std::size_t>(cell + channel)] += static_cast<double>(number);
            }
        });
        for (double& mean : means) mean /= static_cast<double>(scale_ * scale_);
    }

    void shift(const Place& tile, std::int64_t channel, double offset) {
        float* out = out_.as<float>().data() + channel;
        each_pixel(tile, [&](std::int64_t, std::int64_t, std::int64_t place, float weight) {
            out[place] = static_cast<float>(static_cast<double>(out[place]) + offset * static_cast<double>(weight));
        });
    }

    // Every tile with the one below it and the one to its right.
    std::vector<Neighbours> neighbours_in(std::int64_t channel) const {
        std::vector<Neighbours> found;
        const std::int64_t rows = mosaic_.rows.tiles(), columns = mosaic_.columns.tiles();
        for (std::int64_t row = 0; row < rows; ++row) {
            for (std::int64_t column = 0; column < columns; ++column) {
                if (row + 1 < rows) found.push_back(compared({row, column}, {row + 1, column}, channel));
                if (column + 1 < columns) found.push_back(compared({row, column}, {row, column + 1}, channel));
            }
        }
        return found;
    }

    Neighbours compared(const Place& tile, const Place& after, std::int64_t channel) const {
        const Overlap y = overlap(mosaic_.rows, tile.row, after.row);
        const Overlap x = overlap(mosaic_.columns, tile.column, after.column);
        const std::size_t one = number_of_tile(tile.row, tile.column), other = number_of_tile(after.row, after.column);
        const auto mean = [&](std::size_t number, std::int64_t down, std::int64_t across) {
            return means_[number]
                         [static_cast<std::size_t>((down * mosaic_.columns.tile + across) * channels_ + channel)];
        };
        double sum = 0;
        for (std::int64_t i = 0; i < y.length; ++i) {
            for (std::int64_t j = 0; j < x.length; ++j) {
                sum += mean(other, y.second + i, x.second + j) - mean(one, y.first + i, x.first + j);
            }
        }
        return {one, other, sum / static_cast<double>(y.length * x.length)};
    }

    const Mosaic& mosaic_;
    std::int64_t scale_, channels_;
    Array vertical_, horizontal_;  // weights of each tile along both sides
    Array out_;
    std::vector<std::vector<double>> means_;  // of each tile's cells, `[h, w, C]`
};

}  // namespace

Axis Axis::checked(Axis axis) {
    const auto& [length, tile, starts, together] = axis;
    bool covers = !starts.empty() && starts.front() == 0 && starts.back() + tile == length;
    for (std::size_t i = 1; i < starts.size(); ++i) covers = covers && starts[i] <= starts[i - 1] + tile;
    if (!covers) {
        throw UsageError("Tiles of " + std::to_string(tile) + " at " + written(starts) + " do not cover a side of " +
                         std::to_string(length) + ".");
    }
    if (together < 1 || axis.tiles() % together != 0) {
        throw UsageError(std::to_string(starts.size()) + " tiles are not canvases of " + std::to_string(together) +
                         ".");
    }
    return axis;
}

std::vector<std::int64_t> Axis::members(std::int64_t number) const {
    std::vector<std::int64_t> found;
    for (std::int64_t tile = number; tile < tiles(); tile += passes()) found.push_back(tile);
    return found;
}

Array Axis::weights(std::int64_t scale) const {
    const auto at = [scale](std::int64_t place) {
        return (static_cast<double>(place) + 0.5) / static_cast<double>(scale);
    };
    std::vector<double> sums(static_cast<std::size_t>(length * scale));  // three tiles may share a place
    const auto each_place = [&](const auto& visit) {
        for (std::size_t number = 0; number < starts.size(); ++number) {
            const std::int64_t first = starts[number] * scale;
            for (std::int64_t i = 0; i < tile * scale; ++i) {
                visit(static_cast<std::size_t>(first + i), unscaled_weight(*this, number, at(first + i)));
            }
        }
    };
    each_place([&](std::size_t place, double weight) { sums[place] += weight; });
    Array made(DType::float32, {tiles(), tile * scale});
    auto into = made.as<float>().begin();
    each_place([&](std::size_t place, double weight) { *into++ = static_cast<float>(weight / sums[place]); });
    return made;
}

Axis cut(std::int64_t length, std::int64_t canvas) {
    if (length <= canvas) return Axis::checked({.length = length, .tile = length, .starts = {0}, .together = 1});
    if (canvas < SMALLEST) {
        throw UsageError("A canvas of " + std::to_string(canvas) + " cells cannot hold a tile; expected at least " +
                         std::to_string(SMALLEST) + ".");
    }
    const std::int64_t together = tiles_along(canvas), tile = canvas / together;
    const std::int64_t shared = std::min(OVERLAP, tile / 2);
    const std::int64_t least = divided_up(length - shared, tile - shared);
    const std::int64_t count = divided_up(least, together) * together;
    Axis axis = {.length = length, .tile = tile, .together = together};
    for (std::int64_t number = 0; number < count; ++number) {
        axis.starts.push_back(number * (length - tile) / (count - 1));
    }
    return Axis::checked(std::move(axis));
}

std::int64_t tiles_along(std::int64_t canvas) {
    std::int64_t count = most_tiles(canvas);
    while (canvas % count != 0) --count;
    return count;
}

std::optional<Mosaic> fit(std::int64_t height, std::int64_t width, std::int64_t cells, const CanvasLimits& limits) {
    const auto& [least_height, most_height, least_width, most_width] = limits;
    std::int64_t down = std::min(height, most_height), across = std::min(width, most_width);
    if (down * across > cells) {
        // as square as the picture allows: a square has the least edge
        down = std::min(down, std::max(square_root(cells), least_height));
        across = std::min(across, std::max(cells / down, least_width));
        down = std::min({height, most_height, std::max(cells / across, least_height)});
    }
    if (down < height) down = std::max(down - down % most_tiles(down), least_height);
    if (across < width) across = std::max(across - across % most_tiles(across), least_width);
    const bool small = (down < height && down < SMALLEST) || (across < width && across < SMALLEST);
    if (small || down * across > cells || down < least_height || across < least_width) return std::nullopt;
    return Mosaic{.rows = cut(height, down), .columns = cut(width, across)};
}

Array in_passes(const RunCanvas& run, std::span<const Array> inputs, const Mosaic& mosaic) {
    std::optional<Blend> blend;
    for (std::int64_t number = 0; number < mosaic.passes(); ++number) {
        const auto down = mosaic.rows.members(number / mosaic.columns.passes());
        const auto across = mosaic.columns.members(number % mosaic.columns.passes());
        std::vector<Array> canvas;
        for (const Array& input : inputs) canvas.push_back(gathered(input, mosaic, down, across));
        const Array made = run(canvas);
        if (made.shape().size() != 3) throw std::invalid_argument("outputs of a canvas are [h, w, C]");
        if (!blend) blend.emplace(mosaic, made.size(0) / mosaic.rows.canvas(), made.size(2));
        blend->add(made, down, across);
    }
    if (!blend) throw UsageError("A picture without cells cannot be cut.");
    return blend->finished();
}

}  // namespace latentlink
