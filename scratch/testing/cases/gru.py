"""Cases of scratch/ops/recurrent/gru.py."""

from scratch.testing import bad, case, normal
from scratch.testing.cases.rnn import cell_cases, hidden, layer_cases, refused, refused_by_cell, refused_states

CASES = [
    *layer_cases("GRU", hidden),
    case("GRU", 3, 5, inputs=[normal(1, 1, 3)]),
    *cell_cases("GRUCell", hidden),
]

BAD_ARGUMENTS = [
    *refused("GRU"),
    *refused_states("GRU"),
    *refused_by_cell("GRUCell"),
    bad("GRUCell", -3, 5, inputs=[normal(2, 3)]),
]
