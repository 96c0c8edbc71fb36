"""Pure functions on texts: diff, conflict markers, tokens, syntax, merge patterns, candidates. Knows no git and no model."""
