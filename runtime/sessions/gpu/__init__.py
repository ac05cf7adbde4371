"""What sessions on a GPU share: CUDA, device buffers, pinned memory."""
