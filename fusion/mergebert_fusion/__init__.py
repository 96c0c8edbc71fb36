"""Fuses checkpoints of one architecture into one, streamed tensor by tensor."""
