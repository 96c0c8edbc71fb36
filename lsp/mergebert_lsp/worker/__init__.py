"""The worker process that ranks, so that the server always answers."""
