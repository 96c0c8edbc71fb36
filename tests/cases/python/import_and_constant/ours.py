from kitchen.stock import flour
from kitchen.tools import whisk


def bake() -> None:
    flour()
    whisk()
