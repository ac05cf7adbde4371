"""The bundle: a directory with a manifest, engines, tokenizers and probes. Reading, checking and writing it."""
