"""The commands `mergebert mine` and `mergebert dataset`."""
