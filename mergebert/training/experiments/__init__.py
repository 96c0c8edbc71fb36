"""Runs beside the main one that answer a question about the data."""
