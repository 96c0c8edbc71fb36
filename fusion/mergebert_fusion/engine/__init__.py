"""Runs a recipe block by block: plan, memory, resumption, output."""
