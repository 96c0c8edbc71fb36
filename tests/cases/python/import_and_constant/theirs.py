from kitchen.stock import flour
from kitchen.warmer import heat

DEGREES = 180


def bake() -> None:
    flour()
    heat(DEGREES)
