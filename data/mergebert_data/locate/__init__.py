"""Where the resolution of a conflict stands in the merged file, located by three methods."""
