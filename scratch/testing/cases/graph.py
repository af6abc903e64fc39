"""Cases of scratch/nn/graph.py. The reference is zoo.layers, since torch.nn has no graph layers."""

from scratch.testing import Case, bad, case, distinct, given, integers, normal, uniform

# Duplicates (2 -> 3), loops (4 -> 4, and 3 -> 3 twice), one direction only (0 -> 2), and 7 and 8 isolated.
EDGES = given([[0, 1, 2, 2, 3, 3, 3, 4, 5, 6, 0], [1, 0, 3, 3, 3, 3, 2, 4, 6, 5, 2]])
KINDS = given([0, 0, 1, 2, 0, 1, 0, 2, 2, 2, 0])
NONE_AT_ALL = integers(1, 2, 0)
BATCH = given([0, 0, 0, 2, 2, 3, 3, 3, 3])  # graph 1 has no nodes


def with_zoo(*cases: Case) -> list[Case]:
    return [a_case.but(reference="zoo.layers") for a_case in cases]


CASES = with_zoo(
    case("GCNConv", 4, 3, inputs=[normal(9, 4), EDGES]),
    case("GCNConv", 3, 4, inputs=[normal(9, 3), EDGES]),
    case("GCNConv", 3, 3, bias=False, inputs=[normal(9, 3), EDGES]),
    case("GCNConv", 4, 3, inputs=[normal(9, 4), EDGES, uniform(11, low=0.5, high=1.5)]),
    case("GCNConv", 3, 4, bias=False, inputs=[normal(9, 3), EDGES, uniform(11, low=0.5, high=1.5)]),
    case("GCNConv", 4, 3, inputs=[normal(9, 4), NONE_AT_ALL]),
    case("GCNConv", 4, 3, inputs=[normal(9, 4), NONE_AT_ALL, normal(0)]),
    case("GCNConv", 4, 3, inputs=[normal(0, 4), NONE_AT_ALL]),
    case("GCNConv", 1, 1, inputs=[normal(1, 1), given([[0], [0]]), uniform(1, low=0.5)]),
    case("RGCNConv", 4, 3, 3, inputs=[normal(9, 4), EDGES, KINDS]),
    case("RGCNConv", 3, 4, 3, bias=False, inputs=[normal(9, 3), EDGES, KINDS]),
    case("RGCNConv", 4, 3, 3, num_bases=2, inputs=[normal(9, 4), EDGES, KINDS]),
    case("RGCNConv", 4, 3, 4, root_weight=False, inputs=[normal(9, 4), EDGES, KINDS]),
    case("RGCNConv", 4, 3, 2, inputs=[normal(9, 4), NONE_AT_ALL, integers(2, 0)]),
    case("SAGEConv", 4, 3, inputs=[normal(9, 4), EDGES]),
    case("SAGEConv", 3, 4, bias=False, inputs=[normal(9, 3), EDGES]),
    case("SAGEConv", 4, 3, inputs=[normal(9, 4), NONE_AT_ALL]),
    case("Readout", inputs=[normal(9, 4), BATCH]),
    case("Readout", "mean", inputs=[normal(9, 4), BATCH, lambda _: 6]),
    case("Readout", "sum", inputs=[normal(9, 4), integers(3, 9)]),
    case("Readout", "max", inputs=[distinct(9, 4), BATCH]),
    case("Readout", "max", inputs=[given([[0.0, -1.0], [0.0, 2.0], [-3.0, 2.0]]), given([0, 0, 0])]).but(
        finite_differences=False  # ties
    ),
    case("Readout", "sum", inputs=[normal(0, 4), integers(3, 0), lambda _: 2]),
)

BAD_ARGUMENTS = with_zoo(
    bad("GCNConv", 4, 3, inputs=[normal(9, 4), given([[0, 1], [1, 9]])]),
    bad("GCNConv", 4, 3, inputs=[normal(9, 4), given([[0, -1], [1, 2]])]),
    bad("GCNConv", 4, 3, inputs=[normal(9, 4), given([[0, 1, 2], [1, 2, 0], [0, 0, 0]])]),
    bad("GCNConv", 4, 3, inputs=[normal(9, 4), EDGES, uniform(3)]),
    bad("GCNConv", 4, 3, inputs=[normal(9, 5), EDGES]),
    bad("GCNConv", -4, 3, inputs=[normal(9, 4), EDGES]),
    bad("RGCNConv", 4, 3, 2, inputs=[normal(9, 4), EDGES, KINDS]),
    bad("RGCNConv", 4, 3, 3, inputs=[normal(9, 4), EDGES, integers(3, 4)]),
    bad("RGCNConv", 4, 3, 3, inputs=[normal(9, 4), EDGES]),
    bad("SAGEConv", 4, 3, inputs=[normal(9, 4), given([[0, 1], [1, 9]])]),
    bad("SAGEConv", 4, 3, inputs=[normal(9, 5), EDGES]),
    bad("Readout", "median", inputs=[normal(9, 4), BATCH]),
    bad("Readout", "mean", inputs=[normal(8, 4), BATCH]),
)
