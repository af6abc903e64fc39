"""Graph attention beyond the table of cases: against torch_geometric and its definition, and large scores."""

import pytest
import torch

from scratch.ops.graph_attention import edge_softmax
from scratch.testing.cases.graph import EDGES
from tests.scratch.ops.test_graph import FEATURES, NAMESPACES, NODES, assert_equal, differentiated, drawn

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(NODES, FEATURES, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def oracle():
    return pytest.importorskip("torch_geometric.nn", reason="torch_geometric is not installed: pip install -e '.[dev]'")


@NAMESPACES
@pytest.mark.parametrize("concat", [True, False])
def test_gat_is_torch_geometrics(layers, concat, x, oracle):
    ours = layers.GATConv(FEATURES, 3, 2, concat, dtype=torch.float64)
    torch.nn.init.normal_(ours.bias)
    theirs = oracle.GATConv(FEATURES, 3, 2, concat).double()
    given = {"lin.weight": ours.weight, "bias": ours.bias}
    theirs.load_state_dict(given | {"att_src": ours.source_weight[None], "att_dst": ours.target_weight[None]})
    upstream = torch.randn(NODES, 6 if concat else 3, dtype=torch.float64)
    actual, expected = (differentiated(layer, upstream, x, drawn(EDGES))[:2] for layer in (ours, theirs))
    assert_equal(actual, expected)


@NAMESPACES
def test_sage_is_torch_geometrics(layers, x, oracle):
    ours = layers.SAGEConv(FEATURES, 3, dtype=torch.float64)
    theirs = oracle.SAGEConv(FEATURES, 3).double()
    theirs.load_state_dict({"lin_l.weight": ours.weight, "lin_l.bias": ours.bias, "lin_r.weight": ours.root})
    upstream = torch.randn(NODES, 3, dtype=torch.float64)
    assert_equal(*(differentiated(layer, upstream, x, drawn(EDGES))[:2] for layer in (ours, theirs)))


def test_the_weights_of_the_edges_into_a_node_add_up_to_one():
    torch.manual_seed(0)
    target = torch.tensor([0, 2, 0, 2, 2, 3])
    e = torch.randn(6, 2, dtype=torch.float64) * 1e3  # exp overflows without (7)
    alpha = edge_softmax(e, target, 5)
    for node in (0, 2, 3):
        torch.testing.assert_close(alpha[target == node], e[target == node].softmax(0), rtol=1e-10, atol=0)


@NAMESPACES
def test_without_attention_it_is_the_mean_over_a_node_and_its_neighbours(layers, x):
    conv = layers.GATConv(FEATURES, 3, bias=False, dtype=torch.float64)
    torch.nn.init.zeros_(conv.source_weight)
    torch.nn.init.zeros_(conv.target_weight)
    edges = torch.tensor([[0, 1, 2], [1, 2, 1]])
    z = x @ conv.weight.t()
    expected = torch.stack([z[0], z[:3].mean(0), z[1:3].mean(0), *z[3:]])
    assert_equal([conv(x, edges)], [expected])
