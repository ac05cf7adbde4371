// Refuse a run that this machine has no memory for, before anything is taken.
#pragma once

namespace latentlink {

// Bytes per pixel that drawing takes on the CPU at least, with any model: the denoiser of the demo models, which has a
// thousandth of the weights of a usual one, takes 440.
inline constexpr int LEAST_BYTES = 256;

// Refuse pictures that no model can draw with the memory that is free. A run that passes may still need more than there
// is: what an engine takes is not known before it has run.
// Throws UsageError: they need more than is free.
void check_memory(int width, int height, int batch);

}  // namespace latentlink
