"""Texts as an editor holds them: positions, conflicts in a document, choices."""
