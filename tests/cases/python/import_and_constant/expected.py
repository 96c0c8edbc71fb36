from kitchen.stock import flour
from kitchen.tools import whisk
from kitchen.warmer import heat

DEGREES = 180


def bake() -> None:
    flour()
    whisk()
    heat(DEGREES)
