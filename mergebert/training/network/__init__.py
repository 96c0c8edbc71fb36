"""The classifier: its network, pretraining, training and scores."""
