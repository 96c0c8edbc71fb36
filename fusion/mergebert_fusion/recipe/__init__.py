"""A recipe: YAML read, checked, and resolved to values a tensor."""
