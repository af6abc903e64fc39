"""Diffusion: a network that removes a little noise from a picture, and so, step by step, makes pictures out of noise.

    x₀ a picture, pixels from −1 to 1;   ε ~ N(0, 1) for each pixel;   t = 1 … T

    β_t = (0.1 + 19.9 (t − 1) / (T − 1)) / T          the noise of a step: from 1e-4 to 0.02 where T = 1000
    α_t = 1 − β_t,   ᾱ_t = α₁ α₂ … α_t                what is left of a picture's variance: 4e-5 in the end
    x_t = √ᾱ_t x₀ + √(1 − ᾱ_t) ε                      a picture after t steps of noise, at once
    loss = mean of (ε − ε̂(x_t, t))²                   over all pixels, for t drawn uniformly

    x_T ~ N(0, 1),   z ~ N(0, 1), but 0 for t = 1     to draw, from t = T down to 1:
    x_{t−1} = (x_t − β_t / √(1 − ᾱ_t) ε̂(x_t, t)) / √α_t + √β_t z

ε̂ is a small U-Net: half as large and twice as many maps below, where every pixel attends to all, then up again, beside
what was there before. It learns from t by numbers that each block adds to its maps.

    input        1 × S × S           conv 3 × 3                                320 parameters
    outside     32 × S × S           block                                  20 704
    down        64 × S/2 × S/2       conv 3 × 3, stride 2                   18 496
    inside      64 × S/2 × S/2       block, attention, block               173 056
    up          32 × S × S           nearest pixel, conv 3 × 3              18 464
    outside     32 × S × S           block of 64 maps, those before too     32 064
    output       1 × S × S           norm, SiLU, conv 3 × 3                    353   with t's 8 320 together 271 777

Source: Ho, Jain and Abbeel, Denoising diffusion probabilistic models (2020), with σ_t² = β_t.
Differs from the paper: the size; T is smaller, and the schedule is scaled so that as much noise is added in all.
"""

from collections.abc import Iterator
from typing import Any

import torch
from lightning import Callback
from torch import Tensor
from torch.nn import Module, Sequential

from zoo.base.generative import Generative
from zoo.callbacks.pictures.clearing_up import ClearingUp
from zoo.core.errors import UsageError, whole
from zoo.core.namespace import Namespace
from zoo.transformer import Residual, SelfAttention

GROUPS = 8  # of maps, in GroupNorm


class Block(Module):
    """s(x) + g(f(x) + W e), f and g = conv · SiLU · norm: (N, I, S, S) -> (N, O, S, S), with t's numbers e (N, E)."""

    def __init__(self, layers: str, inputs: int, outputs: int, numbers: int) -> None:
        super().__init__()
        nn = Namespace(layers)
        self.first = Sequential(nn.GroupNorm(GROUPS, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.time = nn.Linear(numbers, outputs)
        self.second = Sequential(nn.GroupNorm(GROUPS, outputs), nn.SiLU(), nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        return self.shortcut(x) + self.second(self.first(x) + self.time(e)[:, :, None, None])


class Attention(Module):
    """x + attention(norm(x)): every pixel attends to all, (N, C, S, S) -> (N, C, S, S)."""

    def __init__(self, layers: str, size: int, heads: int) -> None:
        super().__init__()
        attention = SelfAttention(layers, size, heads, dropout=0.0, causal=False)
        self.pixels = Residual(layers, size, dropout=0.0, norm_first=True, f=attention)

    def forward(self, x: Tensor) -> Tensor:
        return self.pixels(x.flatten(2).mT).mT.unflatten(2, x.shape[2:])


class Denoiser(Module):
    """The U-Net ε̂(x_t, t), (N, channels, S, S) and t from 0 to T − 1 (N,) -> (N, channels, S, S)."""

    def __init__(self, layers: str, channels: int, width: int, heads: int, steps: int) -> None:
        super().__init__()
        nn, numbers = Namespace(layers), 2 * width
        self.positions = nn.SinusoidalPositions(numbers, max_length=steps)
        self.time = Sequential(nn.Linear(numbers, numbers), nn.SiLU(), nn.Linear(numbers, numbers), nn.SiLU())
        self.input = nn.Conv2d(channels, width, 3, padding=1)
        self.before = Block(layers, width, width, numbers)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.inside = Block(layers, 2 * width, 2 * width, numbers)
        self.attention = Attention(layers, 2 * width, heads)
        self.inside_again = Block(layers, 2 * width, 2 * width, numbers)
        self.up = Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2 * width, width, 3, padding=1))
        self.after = Block(layers, 2 * width, width, numbers)
        self.output = Sequential(nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        e = self.time(self.positions.table[t])
        x = self.before(self.input(x), e)
        y = self.inside_again(self.attention(self.inside(self.down(x), e)), e)
        return self.output(self.after(torch.cat([self.up(y), x], 1), e))


class Diffusion(Generative):
    """Pictures x_t (N, channels, S, S) and t − 1 (N,) -> the noise in them, of the same shape as the pictures.

    Args:
        width: maps outside of the U-Net, a multiple of 8.
        heads: of the attention.
        steps: T.
        num_classes: of the data, without use here.

    Raises UsageError for a size out of range, an odd `image_size`, or pixels that are not from 0 to 1.
    """

    beta: Tensor
    remains: Tensor

    def __init__(
        self,
        layers: str = "zoo.layers",
        width: int = 32,
        heads: int = 4,
        steps: int = 200,
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        self.save_hyperparameters(ignore=list(training))
        whole("model.width", width, GROUPS)
        whole("model.heads", heads, 1)
        whole("model.steps", steps, 21)  # or the last β is not below 1
        if width % GROUPS:
            raise UsageError(f"model.width={width}: must be a multiple of {GROUPS}")
        if 2 * width % heads:
            raise UsageError(f"model.heads={heads}: must divide {2 * width}, twice the width")
        if image_size % 2:
            raise UsageError(f"data.image_size={image_size}: must be even, or its half is not whole")
        self.network = Denoiser(layers, channels, width, heads, steps)
        self.loss = Namespace(layers).MSELoss()
        beta = torch.linspace(0.1, 20, steps, dtype=torch.float64) / steps
        for name, value in {"beta": beta, "remains": (1 - beta).cumprod(0)}.items():  # β_t, ᾱ_t
            self.register_buffer(name, value.to(torch.get_default_dtype()), persistent=False)

    def losses(self, pictures: Tensor, seed: int | None = None) -> dict[str, Tensor]:
        t, noise = self.noise(pictures, seed)
        remains = self.remains[t][:, None, None, None]
        noisy = remains.sqrt() * (2 * pictures - 1) + (1 - remains).sqrt() * noise
        return {"loss": self.loss(self(noisy, t), noise)}

    def noise(self, like: Tensor, seed: int | None) -> tuple[Tensor, Tensor]:
        """t − 1 (N,) of each picture, uniform, and ε of each pixel."""
        options: dict[str, Any] = {"generator": self.generator(seed), "device": like.device}
        t = torch.randint(len(self.beta), (len(like),), **options)
        return t, torch.randn(like.shape, dtype=like.dtype, **options)

    def forward(self, pictures: Tensor, t: Tensor) -> Tensor:
        return self.network(pictures, t)

    @torch.no_grad()
    def drawn(self, count: int, seed: int = 0) -> Iterator[Tensor]:
        """Draw `count` pictures: x_T, x_{T−1}, …, x₀, each (count, channels, S, S), pixels from 0 to 1 in the last."""
        generator = torch.Generator(self.device).manual_seed(seed)
        side = self.hparams["image_size"]
        shape = (count, self.hparams["channels"], side, side)

        def normal() -> Tensor:
            return torch.randn(shape, generator=generator, device=self.device, dtype=self.beta.dtype)

        x = normal()
        yield (x + 1) / 2
        for t in reversed(range(len(self.beta))):
            beta, remains = self.beta[t], self.remains[t]
            noise = self(x, torch.full((count,), t, device=self.device))
            x = (x - beta / (1 - remains).sqrt() * noise) / (1 - beta).sqrt()
            if t:
                x = x + beta.sqrt() * normal()
            yield (x + 1) / 2

    def configure_callbacks(self) -> list[Callback]:
        return [ClearingUp()]
