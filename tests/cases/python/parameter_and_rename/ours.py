def total(items, start=0):
    """The price of all items."""
    return sum(items, start)
