"""From merges to examples, on one machine or on a cluster."""
