import torch
from scratch.ops.elementwise import Elementwise
class TanhFn(Elementwise):
    saved = "y"

    @staticmethod
    def value(x):
        return x.tanh()

    @staticmethod
    def derivative(y):
        return 1 - y * y

    @staticmethod
    def pullback(grad, y):
        return torch.addcmul(grad, grad * y, y, value=-1)  # ȳ − ȳ y², one pass less


def tanh(input):
    return TanhFn.apply(input)
