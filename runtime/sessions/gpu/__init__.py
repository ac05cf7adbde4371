"""The common parts of sessions on a GPU: CUDA, device buffers, pinned memory."""
