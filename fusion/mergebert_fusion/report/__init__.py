"""What people read of a fusion: the plan, measurements, comparisons, pictures."""
