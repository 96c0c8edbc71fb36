"""The classifier: its network, pretraining and training."""
