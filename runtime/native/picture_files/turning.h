// Pictures that a camera stored turned or mirrored, upright.
#pragma once

#include "picture_files/image.h"

namespace latentlink {

// The picture, turned as EXIF's orientation says (Exif 2.32, tag 0x0112): 1, the same one, to 8.
Image turned(const Image& image, int orientation);

}  // namespace latentlink
