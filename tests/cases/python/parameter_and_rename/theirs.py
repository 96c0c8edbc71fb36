def price(items):
    """The price of all items."""
    return sum(items)
