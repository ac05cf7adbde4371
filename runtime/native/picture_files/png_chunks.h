// The chunks of a PNG file, and the texts in them.
#pragma once

#include <string_view>

#include "picture_files/png.h"

namespace latentlink {

// One chunk of a file.
struct PngChunk {
    std::string_view name;
    std::string_view data;  // cut short if the file is
    std::size_t end;        // where the next one begins
    bool whole;             // whether all of its data are there
};

// The chunk that begins at a place; none where no name of a chunk stands.
std::optional<PngChunk> png_chunk(std::string_view file, std::size_t at);

// Whether the chunk's checksum is right.
bool checksum_is_right(std::string_view file, const PngChunk& chunk);

// Add what a chunk says to the head.
// Throws Damaged: it is shorter than its fields, or its text unpacks to more than is kept.
void read_chunk(const PngChunk& chunk, PngHead& head);

}  // namespace latentlink
