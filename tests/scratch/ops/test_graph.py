"""The graph layers beyond the table of cases: against their definition, torch_geometric, and at scale."""

from itertools import pairwise

import pytest
import torch
import torch.nn

import scratch.nn
import zoo.layers
from scratch.nn import functional as F
from scratch.nn.functional import propagate
from scratch.ops.graph import PropagateFn, with_transpose
from scratch.testing.cases.graph import BATCH, EDGES, KINDS

NODES, FEATURES = 9, 4
NAMESPACES = pytest.mark.parametrize("layers", [scratch.nn, zoo.layers], ids=lambda layers: layers.__name__)


def drawn(source):
    return source(torch.Generator())


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def x():
    return torch.randn(NODES, FEATURES, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def oracle():
    return pytest.importorskip("torch_geometric.nn", reason="torch_geometric is not installed: pip install -e '.[dev]'")


def differentiated(layer, upstream, *inputs):
    """The output, and the gradients of the inputs that want one and of the layer's parameters."""
    output = layer(*inputs)
    parameters = sorted(layer.parameters(), key=torch.Tensor.dim)  # bias first, whatever the order they stand in
    wanted = [tensor for tensor in (*inputs, *parameters) if tensor.requires_grad]
    return [output, *torch.autograd.grad(output, wanted, upstream)]


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs)
    for actual, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)


@NAMESPACES
@pytest.mark.parametrize("out_features", [3, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_gcn_is_torch_geometrics(layers, out_features, weighted, x, oracle):
    """Duplicates, loops, isolated nodes, one-way edges; one loop of node 3 left out, since torch_geometric gives
    the loop that does not count a gradient too."""
    edges = drawn(EDGES)[:, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]]
    weights = [torch.rand(10, dtype=torch.float64).add(0.5).requires_grad_()] if weighted else []
    ours = layers.GCNConv(FEATURES, out_features, dtype=torch.float64)
    theirs = oracle.GCNConv(FEATURES, out_features).double()
    theirs.load_state_dict({"lin.weight": ours.weight, "bias": ours.bias})
    upstream = torch.randn(NODES, out_features, dtype=torch.float64)
    actual, expected = (differentiated(layer, upstream, x, edges, *weights) for layer in (ours, theirs))
    assert_equal(actual, expected)


@NAMESPACES
def test_the_last_of_several_loops_counts_as_in_torch_geometric(layers, x, oracle):
    edges, weights = drawn(EDGES), torch.rand(11, dtype=torch.float64)
    ours = layers.GCNConv(FEATURES, 3, dtype=torch.float64)
    theirs = oracle.GCNConv(FEATURES, 3).double()
    theirs.load_state_dict({"lin.weight": ours.weight, "bias": ours.bias})
    assert_equal([ours(x, edges, weights)], [theirs(x, edges, weights)])


@NAMESPACES
@pytest.mark.parametrize("num_bases", [None, 2])
def test_rgcn_is_torch_geometrics(layers, num_bases, x, oracle):
    ours = layers.RGCNConv(FEATURES, 3, 3, num_bases, dtype=torch.float64)
    theirs = oracle.RGCNConv(FEATURES, 3, 3, num_bases).double()
    state = ours.state_dict()
    state["weight"], state["root"] = state["weight"].transpose(1, 2), state["root"].t()
    theirs.load_state_dict(state)
    upstream = torch.randn(NODES, 3, dtype=torch.float64)
    actual, expected = (differentiated(layer, upstream, x, drawn(EDGES), drawn(KINDS))[:2] for layer in (ours, theirs))
    assert_equal(actual, expected)


@NAMESPACES
@pytest.mark.parametrize("reduce", ["mean", "sum", "max"])
def test_readout_is_torch_geometrics(layers, reduce, x, oracle):
    pool = {"mean": oracle.global_mean_pool, "sum": oracle.global_add_pool, "max": oracle.global_max_pool}[reduce]
    assert_equal([layers.Readout(reduce)(x, drawn(BATCH))], [pool(x, drawn(BATCH))])


@NAMESPACES
def test_gcn_is_its_definition(layers, x):
    """D^(-1/2) (A + I) D^(-1/2) X Wᵀ + b, with the dense matrices of a graph without loops."""
    path = torch.tensor(list(pairwise(range(NODES)))).t()
    edges = torch.cat([path, path.flip(0)], 1)
    a = torch.eye(NODES, dtype=torch.float64)
    a[edges[1], edges[0]] = 1
    d = a.sum(1)
    conv = layers.GCNConv(FEATURES, 3, dtype=torch.float64)
    torch.nn.init.normal_(conv.bias)
    expected = d.diag().rsqrt().nan_to_num(posinf=0) @ a @ d.diag().rsqrt().nan_to_num(posinf=0)
    assert_equal([conv(x, edges)], [expected @ x @ conv.weight.t() + conv.bias])


@NAMESPACES
def test_a_matrix_made_once_serves_every_call(layers, x):
    conv = layers.GCNConv(FEATURES, 3, dtype=torch.float64)
    matrix = conv.adjacency(drawn(EDGES), NODES, dtype=torch.float64)
    for features in (x, 2 * x):
        assert_equal([conv(features, matrix)], [conv(features, drawn(EDGES))])
    relational = layers.RGCNConv(FEATURES, 3, 3, dtype=torch.float64)
    matrix = relational.adjacency(drawn(EDGES), drawn(KINDS), NODES, 3, dtype=torch.float64)
    assert_equal([relational(x, matrix)], [relational(x, drawn(EDGES), drawn(KINDS))])


def test_a_node_of_degree_zero_has_a_gradient_of_zero(x):
    """Where the given weights cancel the loop, d^(-1/2) and its derivative count as 0."""
    edges = torch.tensor([[0, 1], [1, 0]])
    weights = torch.tensor([-1.0, 0.5], dtype=torch.float64, requires_grad=True)  # node 1: 1 - 1 = 0
    matrix = F.gcn_adjacency(edges, 2, weights)
    assert matrix.value[matrix.crow[1] :].tolist() == [0, 0]  # row 1
    F.propagate(x[:2], matrix).sum().backward()
    assert weights.grad[0] == 0
    assert weights.grad[1].isfinite()


@NAMESPACES
def test_no_dense_matrix(layers):
    """A million nodes, whose dense matrix would take four terabytes; with gradients for the edge weights."""
    nodes = 1_000_000
    edges = torch.randint(nodes, (2, 1000))
    weights = torch.rand(1000, requires_grad=True)
    conv = layers.GCNConv(2, 3)
    conv(torch.randn(nodes, 2, requires_grad=True), edges, weights).sum().backward()
    assert weights.grad.abs().sum() > 0


def test_laid_out_by_edges_for_vmap_and_compile(x):
    """torch.func and torch.compile know no sparse matrices: the same numbers from gathered rows."""
    conv = scratch.nn.GCNConv(FEATURES, 3, dtype=torch.float64)
    matrix = conv.adjacency(drawn(EDGES), NODES, dtype=torch.float64)
    several = torch.randn(3, NODES, FEATURES, dtype=torch.float64)
    assert_equal(
        [torch.vmap(lambda x: conv(x, matrix))(several)], [torch.stack([conv(one, matrix) for one in several])]
    )

    weights = torch.rand(11, dtype=torch.float64) + 0.5

    def total(x, weights):
        return conv(x, drawn(EDGES), weights).square().sum()

    leaf = weights.clone().requires_grad_()
    expected = torch.autograd.grad(total(x, leaf), [x, leaf])
    assert_equal(torch.func.grad(total, (0, 1))(x.detach(), weights), expected)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    upstream = torch.randn(NODES, 3, dtype=torch.float64)
    assert_equal(
        torch.autograd.grad(compiled(x, matrix), [x, conv.weight], upstream),
        torch.autograd.grad(conv(x, matrix), [x, conv.weight], upstream),
    )


def test_half_precision_is_summed_in_float32():
    """A node with 1000 neighbours of value 1: in bfloat16 the sum would stop growing at 256."""
    edges = torch.stack([torch.arange(1, 1001), torch.zeros(1000, dtype=torch.long)])
    matrix = F.gcn_adjacency(edges, 1001)
    ones = torch.ones(1001, 1, dtype=torch.bfloat16)
    exact = F.propagate(ones.double(), F.gcn_adjacency(edges, 1001, dtype=torch.float64))
    for autocast in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            y = F.propagate(ones, matrix)
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(y.double(), exact, rtol=2**-8, atol=0)


def test_the_native_namespace_offers_all_of_torch_nn():
    for name in (name for name in dir(torch.nn) if name[0].isupper()):
        assert getattr(zoo.layers, name) is getattr(torch.nn, name)
    assert zoo.layers.functional is torch.nn.functional
    with pytest.raises(AttributeError, match=r"zoo.layers has no 'Conv5d'"):
        _ = zoo.layers.Conv5d


@NAMESPACES
@pytest.mark.parametrize("kind", ["GCNConv", "RGCNConv"])
def test_sparse_features_give_what_dense_ones_give(layers, kind, x):
    features = x.detach() * (torch.rand(NODES, FEATURES) < 0.3)
    more, relations = ([drawn(KINDS)], [3]) if kind == "RGCNConv" else ([], [])
    conv = getattr(layers, kind)(FEATURES, 5, *relations, dtype=torch.float64)
    upstream = torch.randn(NODES, 5, dtype=torch.float64)
    dense = torch.autograd.grad(conv(features, drawn(EDGES), *more), conv.parameters(), upstream)
    sparse = layers.SparseDropout.sparse(features)
    assert_equal(torch.autograd.grad(conv(sparse, drawn(EDGES), *more), conv.parameters(), upstream), dense)


def test_sparse_dropout_drops_the_same_non_zeros_in_both():
    features = (torch.rand(50, 30) < 0.2).double()
    identity = torch.eye(30, dtype=torch.float64)
    dropped = []
    for layers in (scratch.nn, zoo.layers):
        torch.manual_seed(1)
        drop = layers.SparseDropout(0.4)
        sparse = drop(layers.SparseDropout.sparse(features))
        dropped.append(F.propagate(identity, sparse) if layers is scratch.nn else sparse.to_dense())
    assert_equal(dropped[:1], dropped[1:])
    kept = dropped[0][features > 0]
    assert set(kept.unique().tolist()) == {0, 1 / 0.6}
    assert 0.3 < (kept == 0).double().mean() < 0.5
    assert (dropped[0][features == 0] == 0).all()


def test_derivatives_of_propagation() -> None:
    """The weights of edges are differentiated, and what that gives by weights and features again. Where they are
    constant, propagation is linear: it is its own tangent."""
    generator = torch.Generator().manual_seed(0)
    row, col = torch.tensor([0, 0, 1, 2], dtype=torch.int32), torch.tensor([1, 2, 0, 1], dtype=torch.int32)
    value = torch.rand(4, dtype=torch.float64, generator=generator).requires_grad_()
    x = torch.randn(3, 2, dtype=torch.float64, generator=generator).requires_grad_()
    function = lambda x, value: propagate(x, with_transpose(value, row, col, (3, 3)))  # noqa: E731
    assert torch.autograd.gradgradcheck(function, (x, value))

    adjacency, b = with_transpose(value.detach(), row, col, (3, 3)), torch.randn(2, dtype=torch.float64)
    constant = lambda x, b: PropagateFn.apply(x, b, *adjacency)  # noqa: E731
    dots = x.detach().cos(), b.cos()
    assert_equal([torch.func.jvp(constant, (x.detach(), b), dots)[1]], [constant(*dots)])
