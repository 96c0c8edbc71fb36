from kitchen.stock import flour


def bake() -> None:
    flour()
