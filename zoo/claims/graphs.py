"""A graph network takes graphs of any size, where CNN and Transformer take one size; its deeper layers learn other
things.

Notes:    004, lines 308-312.
Run:      (a) one graph convolution on graphs of 5, 12 and 34 nodes; an encoder layer of a Transformer on sentences of 5
          and 12 words; a CNN that ends in mean-pooling, and one that ends in a dense layer, on pictures of 28 × 28 and
          20 × 20; (b) GCNs of 1, 2, 4 … 32 layers of 16 units with tanh on the karate club, 80 steps of Adam at 0.01.
Number:   which of them run; the mean cosine between the nodes in the last hidden layer.
Decided:  the claim about depth fails if at 32 layers that is above 0.99: then all nodes have learned the same. Holds if
          that does not, the graph network takes all sizes and neither of the others; holds only for networks that end
          in a dense layer, if those refuse and nodes stay different; fails else.
"""

from typing import Any

import networkx
import torch
from torch import Tensor
from torch.nn import Module, ModuleList, Sequential
from torch.nn.functional import normalize

from zoo.claims.drawing import BLUE, GREEN, RED, Figure, label_ends, panel
from zoo.claims.verdict import Numbers, Say, Verdict, fails, holds, only_if
from zoo.claims.workbench import Implementation, begin, step

CHINESE = "图网络的输入大小可以不同，CNN 和 Transformer 则必须固定；层数越深，点学到的东西越不同。"
SEEDS = 3
THRESHOLDS = {"alike": 0.99}
QUICK = {"depths": (2, 32), "steps": 10}
UNITS = 16


def run(
    impl: Implementation, seed: int, depths: tuple[int, ...] = (1, 2, 4, 8, 16, 32), steps: int = 80
) -> dict[str, Any]:
    begin(seed)
    nn = impl.nn
    graph = nn.GCNConv(4, 8)
    encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    pooled = Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    dense = Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 24 * 24, 10))
    pictures = [torch.randn(1, 1, size, size) for size in (28, 20)]
    found: dict[str, Any] = {
        "graph network takes all": takes(graph, *((torch.randn(n, 4), ring(n)) for n in (5, 12, 34))),
        "Transformer takes both": takes(encoder, *((torch.randn(1, length, 16),) for length in (5, 12))),
        "CNN that pools takes both": takes(pooled, *((picture,) for picture in pictures)),
        "CNN with a dense end takes both": takes(dense, *((picture,) for picture in pictures)),
        "depths": list(depths),
        "cosines": [],
        "accuracies": [],
    }
    for depth in depths:
        cosine, right = club(impl, seed, depth, steps)
        found["cosines"].append(cosine)
        found["accuracies"].append(right)
    return found | {
        "cosine at the least depth": found["cosines"][0],
        "cosine at the greatest depth": found["cosines"][-1],
        "accuracy there": found["accuracies"][-1],
    }


def takes(network: Module, *inputs: tuple[Tensor, ...]) -> float:
    """1 if it computes something from each, else 0."""
    try:
        with torch.no_grad():
            return float(all(network(*each).isfinite().all() for each in inputs))
    except (RuntimeError, ValueError):
        return 0.0


def ring(nodes: int) -> Tensor:
    around = torch.arange(nodes)
    return torch.stack([torch.cat([around, around.roll(1)]), torch.cat([around.roll(1), around])])


def club(impl: Implementation, seed: int, depth: int, steps: int) -> tuple[float, float]:
    """Train to tell the club's two halves apart by eight members; the mean cosine between all of them in the last
    hidden layer, and the share of the others that is right."""
    graph = networkx.karate_club_graph()
    edges = torch.tensor(list(graph.edges)).T
    edges = torch.cat([edges, edges.flip(0)], 1)
    y = torch.tensor([int(graph.nodes[node]["club"] == "Officer") for node in graph])
    known = torch.tensor([0, 1, 2, 3, 30, 31, 32, 33])
    rest = torch.tensor([node for node in range(34) if node not in known])
    begin(seed, depth)
    nn = impl.nn
    layers = ModuleList([nn.GCNConv(34 if index == 0 else UNITS, UNITS) for index in range(depth)])
    tanh, head, x = nn.Tanh(), nn.Linear(UNITS, 2), torch.eye(34)

    def hidden() -> Tensor:
        h = x
        for layer in layers:
            h = tanh(layer(h, edges))
        return h

    optimizer = impl.optimizer("Adam", [*layers.parameters(), *head.parameters()], lr=0.01)
    criterion = nn.CrossEntropyLoss()
    for _ in range(steps):
        step(optimizer, lambda: criterion(head(hidden()[known]), y[known]))
    with torch.no_grad():
        h = hidden()
        unit = normalize(h, dim=1, eps=1e-30)
        apart = ~torch.eye(34, dtype=torch.bool)
        return (unit @ unit.T)[apart].mean().item(), (head(h[rest]).argmax(1) == y[rest]).double().mean().item()


def decide(numbers: Numbers) -> Verdict:
    graph, transformer, pooled, dense, shallow, cosine, _ = numbers.values()
    because = (
        "the graph network takes all sizes, but "
        f"{'so does the Transformer' if transformer else 'the Transformer does not'} and "
        f"{'so does' if pooled else 'not'} a CNN that ends in "
        f"pooling{'' if dense else ' (one with a dense end does not)'}; the mean cosine between the nodes goes from "
        f"{shallow:.2f} in the shallowest network to {cosine:.2f} in the deepest",
        f"图网络能接受各种大小，Transformer {'也能' if transformer else '不能'}，末端做池化的 CNN "
        f"{'也能' if pooled else '不能'}{'' if dense else '（末端全连接的不能）'}；点间平均余弦从最浅的 {shallow:.2f} "
        f"升到最深的 {cosine:.2f}",
    )
    if not graph or cosine > THRESHOLDS["alike"] or transformer:
        return fails(because)
    if not pooled and not dense:
        return holds(because)
    return only_if(("the CNN ends in a dense layer", "CNN 的末端是全连接层"), because)


def draw(figure: Figure, runs: list[dict[str, Any]], say: Say) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    rows = (
        ("graph network takes all", say("graph network: 5, 12, 34 nodes", "图网络：5、12、34 个点")),
        ("Transformer takes both", say("Transformer: 5, 12 words", "Transformer：5、12 个词")),
        ("CNN that pools takes both", say("CNN, pooling end: 28², 20² pixels", "CNN（末端池化）：28²、20² 像素")),
        ("CNN with a dense end takes both", say("CNN, dense end: 28², 20² pixels", "CNN（末端全连接）：28²、20² 像素")),
    )
    for place, (name, label) in enumerate(rows):
        takes_them = runs[0][name] == 1
        left.text(
            0.02,
            0.88 - 0.24 * place,
            "✓" if takes_them else "✗",
            color=GREEN if takes_them else RED,
            fontsize=15,
            va="center",
        )
        left.text(0.12, 0.88 - 0.24 * place, label, va="center", fontsize=9.5)
    left.set(xlim=(0, 1), ylim=(0, 1))
    left.set_axis_off()
    left.set_title(say("Takes inputs of several sizes?", "能接受不同大小的输入吗？"))
    for index, each in enumerate(runs):
        options = {"lw": 1.3, "ms": 4, "alpha": 0.8}
        right.plot(
            each["depths"],
            each["cosines"],
            "o-",
            color=RED,
            label=say("cosine\nbetween nodes", "点间余弦") if index == 0 else "_",
            **options,
        )
        right.plot(
            each["depths"],
            each["accuracies"],
            "s--",
            color=BLUE,
            label=say("accuracy", "准确率") if index == 0 else "_",
            **options,
        )
    right.set_xscale("log", base=2)
    right.set_xticks(runs[0]["depths"], [str(depth) for depth in runs[0]["depths"]])
    right.set_ylim(-0.1, 1.05)
    panel(right, say("Karate club, after training", "空手道俱乐部，训练之后"), say("layers", "层数"))
    label_ends(right, 2.2)
