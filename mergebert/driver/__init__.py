"""The merge driver: what git calls for a file that both sides changed, and its registration with git."""
