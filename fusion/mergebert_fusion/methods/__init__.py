"""The merge methods, one a file; mergebert_fusion.registry lists them."""
