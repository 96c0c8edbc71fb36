"""The offline side of the core: the only part that may import torch, lightgbm or scikit-learn."""
