// A large picture in several passes of a smaller canvas, each a sample of the whole picture, blended where they meet.
//
// A VAE normalises its activations over the whole picture and attends over all of it, so that a tile that is decoded
// alone has other tones than the same place of a whole decode: most of all a flat tile, whose faint texture is
// stretched to full contrast. A canvas here is therefore not a crop but a mosaic of tiles, taken at equal distances
// from all over the picture, whose statistics are nearly the picture's. The edge of a tile, which its neighbours on the
// canvas affect, is discarded, and tiles that still differ in tone from those beside them are shifted so that they
// agree.
//
// Arrays are `[H, W, C]`; sides are in grid cells, which are latent elements, and an array may have several values per
// cell (a picture has as many as the downscale).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "vocabulary/array.h"

namespace latentlink {

// Least side of a canvas: with less, every cell would be near an edge.
inline constexpr std::int64_t SMALLEST = 8;

// Least and most height, and least and most width, of a canvas in cells.
struct CanvasLimits {
    std::int64_t least_height = 1, most_height = 1, least_width = 1, most_width = 1;
};

// How one side of the picture is cut.
struct Axis {
    std::int64_t length = 0;                // of the side in cells
    std::int64_t tile = 0;                  // side of a tile in cells
    std::vector<std::int64_t> starts = {};  // first cell of every tile, ascending, from 0; the last ends at `length`
    std::int64_t together = 1;              // number of tiles along this side of a canvas

    // The same axis, if its tiles cover the side.
    // Throws UsageError: they do not, or do not fill whole canvases.
    static Axis checked(Axis axis);

    std::int64_t tiles() const { return static_cast<std::int64_t>(starts.size()); }
    std::int64_t canvas() const { return tile * together; }     // side of a canvas in cells
    std::int64_t passes() const { return tiles() / together; }  // number of canvases along this side

    // Tiles of canvas `number`, at equal distances over the whole side.
    std::vector<std::int64_t> members(std::int64_t number) const;

    // Blend weights of each tile, float32 `[tiles, tile * scale]`, 0 to 1; they sum to 1 at every place. `scale` is the
    // number of values per cell.
    Array weights(std::int64_t scale) const;

    bool operator==(const Axis&) const = default;
};

// How a picture is cut.
struct Mosaic {
    Axis rows;     // how its height is cut
    Axis columns;  // how its width is cut

    // Number of canvases to run; 1 is the whole picture at once.
    std::int64_t passes() const { return rows.passes() * columns.passes(); }

    bool operator==(const Mosaic&) const = default;
};

// Cut a side for a canvas of at least SMALLEST cells.
// Throws UsageError: the canvas is too small to have tiles that overlap.
Axis cut(std::int64_t length, std::int64_t canvas);

// Number of tiles along a canvas side of this many cells: the largest that divides it, up to 4.
std::int64_t tiles_along(std::int64_t canvas);

// Cut a picture into the fewest passes that fit; a canvas has at most `cells`. None if no canvas is small enough for
// `cells` and large enough for a tile and the limits.
std::optional<Mosaic> fit(std::int64_t height, std::int64_t width, std::int64_t cells, const CanvasLimits& limits);

// Maps inputs of a canvas's size to an output of its size, `[h, w, C]`, with any number of values per cell.
using RunCanvas = std::function<Array(std::span<const Array>)>;

// Run a function of pictures canvas by canvas. `inputs` are `[H, W, C]`: the picture's cells times a number of values
// per cell that may differ between inputs.
//
// Returns float32 `[H, W, C]`, the blended outputs. Beyond these, memory is needed for one canvas only.
Array in_passes(const RunCanvas& run, std::span<const Array> inputs, const Mosaic& mosaic);

}  // namespace latentlink
