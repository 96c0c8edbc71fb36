"""Mines real merge conflicts, with what people made of them, out of git histories."""
