"""Where the resolution of a conflict stands in the merged file, told in three ways."""
