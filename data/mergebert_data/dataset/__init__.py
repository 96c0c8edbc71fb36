"""Mined examples on disk: stored, split, cleaned, counted, published."""
