"""The merge methods, one a file; mergebert_fusion.methods.registry lists them."""
