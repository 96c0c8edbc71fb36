"""The commands a person types; each module holds `add_arguments` and `run`."""
