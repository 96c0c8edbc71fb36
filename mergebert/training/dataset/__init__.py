"""Mined examples as arrays."""
