"""Everything that touches git: the merge driver, its registration, its journal, the index."""
