"""Merge commits of a repository and what is known of them."""
