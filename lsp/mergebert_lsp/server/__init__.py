"""The server process: wiring, state of a session, commands, the life of the worker."""
