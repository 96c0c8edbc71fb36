"""What git is asked: the only place that runs it, its line merge, its index."""
