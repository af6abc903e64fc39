"""An RNN forgets what was long ago, an LSTM keeps it; it costs more, and it tames exploding gradients.

Notes:    004, lines 108-131 and 153; 003, lines 276-292.
Run:      RNN, LSTM and LSTM whose forget gates begin open (bias 5), 32 units as torch starts them, on random sequences
          of 10, 50 and 100 steps with a loss at the end; the same with the recurrent weights times 1, 2, 4, 8, 16. And
          the LSTM of 003 read literally, whose gates have one map together.
Number:   the norm of the gradient by the first input over that by the last, at 100 steps; the greatest of it over the
          scales.
Decided:  kept is above 0.01, forgotten below 1e-6, exploded above 1 000, costing more is more weights. Holds if the RNN
          forgets and the LSTM keeps, costs more and never explodes where the RNN does; holds only if its forget gates
          begin open, or its weights stay small, where that is what it takes.
"""

import time
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, cut, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, begin

CHINESE = "RNN 记不住久远的信息，LSTM 能记住；LSTM 计算更贵，还能抑制梯度爆炸。"
SEEDS = 3
THRESHOLDS = {"kept": 0.01, "forgotten": 1e-6, "exploded": 1e3}
QUICK = {"lengths": (100,), "scales": (1.0, 4.0, 16.0)}
UNITS, BATCH = 32, 16
CELLS = ("RNN", "LSTM", "LSTM, open")
LITERAL = "003 literally"


def run(
    impl: Implementation,
    seed: int,
    lengths: tuple[int, ...] = (10, 50, 100),
    scales: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0),
) -> dict[str, Any]:
    found: dict[str, Any] = {"norms": {}, "scales": list(scales), "growth": {}}
    longest = max(lengths)
    for name in (*CELLS, LITERAL):
        for length in lengths:
            norms, seconds = gradient_norms(impl, seed, name, length, 1.0)
            found["norms"][f"{name} {length}"] = norms
            if length == longest:
                found[f"{name}: first over last"] = norms[0] / norms[-1]
                found[f"{name}: milliseconds a step"] = 1000 * seconds / length
    for name in CELLS:
        growth = [gradient_norms(impl, seed, name, longest, scale)[0] for scale in scales]
        found["growth"][name] = [norms[0] / norms[-1] for norms in growth]
        found[f"{name}: greatest growth"] = max(found["growth"][name])
    for name in ("RNN", "LSTM"):
        found[f"{name}: weights"] = sum(p.numel() for p in cells(impl, name, 1.0).parameters())
    return found


class Literal(Module):
    """The formulas of 003 as they stand: gates are one linear map of h + x, and the forget gate is not defined; here it
    is like the others. So a cell cannot keep the old without letting in the new."""

    def __init__(self, nn: Any) -> None:
        super().__init__()
        self.gate, self.sigmoid, self.tanh = nn.Linear(UNITS, UNITS), nn.Sigmoid(), nn.Tanh()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a = h = x.new_zeros(len(x), UNITS)
        outputs = []
        for now in x.repeat(1, 1, UNITS // x.shape[2]).unbind(1):  # h + x takes as many numbers of x as of h
            gate = self.sigmoid(self.gate(h + now))
            a = gate * a + gate * self.tanh(h + now)
            h = gate * self.tanh(a)
            outputs.append(h)
        return torch.stack(outputs, 1), a


def cells(impl: Implementation, name: str, scale: float) -> Any:
    if name == LITERAL:
        return Literal(impl.nn).double()
    kind, _, gates = name.partition(", ")
    layer = getattr(impl.nn, kind)(8, UNITS, batch_first=True).double()
    with torch.no_grad():
        layer.weight_hh_l0.mul_(scale)
        if gates == "open":
            layer.bias_ih_l0[UNITS : 2 * UNITS] = 5.0  # of the gates i, f, g, o
    return layer


def gradient_norms(impl: Implementation, seed: int, name: str, length: int, scale: float) -> tuple[list[float], float]:
    """‖∂loss/∂xₜ‖ for every t, the mean over the sequences; and the seconds of both passes."""
    begin(seed)
    layer = cells(impl, name, scale)
    x = torch.randn(BATCH, length, 8, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(BATCH, UNITS, dtype=torch.float64)
    started = time.perf_counter()
    output, _ = layer(x)
    (gradient,) = torch.autograd.grad((output[:, -1] * upstream).sum(), x)
    return gradient.norm(dim=-1).mean(0).tolist(), time.perf_counter() - started


def decide(numbers: Numbers) -> Verdict:
    kept, forgotten, exploded = THRESHOLDS.values()
    share = {name: numbers[f"{name}: first over last"] for name in CELLS}
    growth = {name: numbers[f"{name}: greatest growth"] for name in CELLS}
    weights = numbers["LSTM: weights"] / numbers["RNN: weights"]
    because = (
        f"over 100 steps {share['RNN']:.0e} of the gradient is left in an RNN, {share['LSTM']:.0e} in an LSTM as it "
        f"begins ({numbers[f'{LITERAL}: first over last']:.0e} in that of 003 read literally) and "
        f"{share['LSTM, open']:.1g} with open forget gates, at {weights:.0f} times the weights; with large recurrent "
        f"weights it grows by {growth['RNN']:.0e} in an RNN, {growth['LSTM']:.0e} in an LSTM",
        f"传过 100 步后，RNN 的梯度剩 {share['RNN']:.0e}，默认 LSTM 剩 {share['LSTM']:.0e}（按 003 的公式照字面实现剩 "
        f"{numbers[f'{LITERAL}: first over last']:.0e}），遗忘门打开时剩 {share['LSTM, open']:.1g}，权重是 "
        f"{weights:.0f} 倍；循环权重大时梯度增长：RNN {growth['RNN']:.0e}，LSTM {growth['LSTM']:.0e}",
    )
    if share["RNN"] > forgotten or max(share["LSTM"], share["LSTM, open"]) < kept:
        return fails(because)
    tames = growth["RNN"] > exploded > max(growth["LSTM"], growth["LSTM, open"])
    if share["LSTM"] >= kept and tames:
        return holds(because)
    conditions = []
    if share["LSTM"] < kept:
        conditions.append(("the forget gates begin open", "遗忘门一开始是打开的"))
    if not tames:
        conditions.append(
            (
                "the recurrent weights are small, for gates do not stop explosion",
                "循环权重不大（门控并不能阻止梯度爆炸）",
            )
        )
    english, chinese = zip(*conditions, strict=True)
    return only_if((" and ".join(english), "，且".join(chinese)), because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2)
    names = {
        "RNN": ("RNN", RED),
        "LSTM": ("LSTM", BLUE),
        "LSTM, open": (say("LSTM, open\nforget gates", "LSTM，遗忘门\n打开"), GREEN),
    }
    longest = max(int(name.split()[-1]) for name in runs[0]["norms"])
    for name, (label, colour) in names.items():
        norms = runs[0]["norms"][f"{name} {longest}"]
        curve = cut([norm / norms[-1] for norm in norms], 1e-35)
        left.plot(range(1, longest + 1), curve, color=colour)
        place = longest // 3
        above = name != "RNN"
        left.annotate(
            label.replace("\n", say(" ", "")), (place, curve[place]), (-6, 6) if above else (6, -6),
            textcoords="offset points", color=colour, ha="right" if name == "LSTM" else "left",
            va="bottom" if above else "top",
        )  # fmt: skip
        right.plot(runs[0]["scales"], cut(runs[0]["growth"][name], 1e-35), "o-", color=colour, label=label, ms=4)
    left.set_yscale("log")
    right.set(xscale="log", yscale="log")
    right.set_xticks(runs[0]["scales"], [f"{scale:g}" for scale in runs[0]["scales"]])
    right.minorticks_off()
    right.axhline(1, color="black", lw=0.7, ls=":")
    panel(
        left,
        say("Gradient by each step's input", "对每步输入的梯度"),
        say("step; the loss is at the last", "时间步（损失在最后一步）"),
    )
    panel(
        right,
        say("Step 1 over step 100", "第 1 步与第 100 步之比"),
        say("recurrent weights, times torch's", "循环权重（默认值的倍数）"),
    )
    label_ends(right, 2.2)
