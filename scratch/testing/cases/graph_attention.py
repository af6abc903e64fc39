"""Cases of GATConv in scratch/nn/graph.py. The reference is zoo.layers, since torch.nn has no graph layers."""

from scratch.testing import bad, case, given, normal
from scratch.testing.cases.graph import EDGES, NONE_AT_ALL, with_zoo

CASES = with_zoo(
    case("GATConv", 4, 3, inputs=[normal(9, 4), EDGES]),
    case("GATConv", 4, 3, 2, inputs=[normal(9, 4), EDGES]),
    case("GATConv", 4, 3, 2, False, inputs=[normal(9, 4), EDGES]),
    case("GATConv", 3, 2, 3, negative_slope=0.5, bias=False, inputs=[normal(9, 3), EDGES]),
    case("GATConv", 3, 2, 3, False, dropout=0.4, inputs=[normal(9, 3), EDGES]),
    case("GATConv", 4, 3, 2, inputs=[normal(9, 4), NONE_AT_ALL]),
    case("GATConv", 4, 3, 2, inputs=[normal(0, 4), NONE_AT_ALL]),
    case("GATConv", 1, 1, inputs=[normal(1, 1), given([[0], [0]])]),
)

BAD_ARGUMENTS = with_zoo(
    bad("GATConv", 4, 3, inputs=[normal(9, 4), given([[0, 1], [1, 9]])]),
    bad("GATConv", 4, 3, inputs=[normal(9, 4), given([[0, 1, 2], [1, 2, 0], [0, 0, 0]])]),
    bad("GATConv", 4, 3, inputs=[normal(9, 5), EDGES]),
    bad("GATConv", -4, 3, inputs=[normal(9, 4), EDGES]),
)
