"""What a merge method is given, and what it declares of itself."""
