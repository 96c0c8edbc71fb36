"""Checkpoints on disk: tensors, adapters, tokenizers, architectures."""
