"""What the cases of scratch/testing/cases/{rnn,embedding}.py cannot say about recurrent layers and embeddings."""

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, unpack_sequence

from scratch import nn
from scratch.ops.core.compiler import Kernel
from scratch.ops.recurrent import gru_fast, lstm_fast, rnn
from scratch.ops.recurrent import sequence as recurrence
from scratch.ops.recurrent.sequence import previous
from scratch.testing import CHECKS
from scratch.testing.cases import CASES
from tests.conftest import case_parameters

LAYERS = {
    "RNN": {},
    "RNN-relu": {"nonlinearity": "relu"},
    "LSTM": {},
    "LSTM-projected": {"proj_size": 2},
    "GRU": {},
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def build(package, name, **options):
    torch.manual_seed(0)
    return getattr(package, name.split("-")[0])(3, 5, dtype=torch.float64, **LAYERS[name], **options)


def draw(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def tensors(nested):
    """The tensors of nested outputs, one after the other."""
    return [nested] if isinstance(nested, torch.Tensor) else [t for part in nested for t in tensors(part)]


def gradients(layer, input, hx=None, seed=2):
    """Outputs, and the gradients of all parameters under a random upstream gradient."""
    torch.manual_seed(seed)
    output, states = layer(input) if hx is None else layer(input, hx)
    outputs = [output.data if isinstance(input, tuple) else output, *tensors(states)]
    upstream = [draw(*t.shape, seed=seed + i) for i, t in enumerate(outputs)]
    return outputs, torch.autograd.grad(outputs, list(layer.parameters()), upstream)


@every_layer
@pytest.mark.parametrize("lengths", [None, [2, 4, 1, 4]], ids=["padded", "packed"])
def test_dropout_draws_the_random_numbers_that_torch_draws(name, lengths):
    input = draw(4, 4, 3)
    if lengths:
        input = pack_padded_sequence(input, torch.tensor(lengths), enforce_sorted=False)
    options = {"num_layers": 3, "bidirectional": True, "dropout": 0.4}
    ours, theirs = (gradients(build(package, name, **options), input) for package in (nn, torch.nn))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    without = gradients(build(nn, name, **options).eval(), input)
    assert not torch.allclose(ours[0][0], without[0][0])


@every_layer
def test_a_packed_batch_is_its_sequences_one_by_one(name):
    layer = build(nn, name, num_layers=2, bidirectional=True)
    sequences = [draw(length, 3, seed=length) for length in (2, 5, 1, 3)]
    output, states = layer(pack_sequence(sequences, enforce_sorted=False))
    for i, (sequence, rows) in enumerate(zip(sequences, unpack_sequence(output), strict=True)):
        alone, its_states = layer(sequence)
        torch.testing.assert_close(rows, alone, rtol=1e-10, atol=1e-12)
        for state, its_state in zip(tensors(states), tensors(its_states), strict=True):
            torch.testing.assert_close(state[:, i], its_state, rtol=1e-10, atol=1e-12)


@every_layer
def test_two_halves_of_a_sequence_with_the_state_carried_are_the_whole(name):
    layer, x = build(nn, name), draw(6, 2, 3)
    whole, states = layer(x)
    first, carried = layer(x[:2])
    second, last = layer(x[2:], carried)
    torch.testing.assert_close(torch.cat((first, second)), whole)
    torch.testing.assert_close(tensors(last), tensors(states))


@pytest.mark.parametrize("reverse", [False, True])
def test_previous_is_what_each_step_started_from(reverse):
    sizes, initial = (3, 2, 2, 1), torch.tensor([[-1.0], [-2.0], [-3.0]])
    steps = torch.arange(8.0)[:, None].split(sizes)
    found = [rows.flatten().tolist() for rows in previous(steps, initial, sizes, reverse)]
    backward = [[3, 4, -3], [5, 6], [7, -2], [-1]]
    assert found == (backward if reverse else [[-1, -2, -3], [0, 1], [3, 4], [5]])


@every_layer
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_float32_inside(name, dtype):
    layer = build(nn, name).to(dtype)
    output, states = layer(draw(4, 2, 3).to(dtype))
    exact, exact_states = build(nn, name).to(dtype).double()(draw(4, 2, 3).to(dtype).double())
    for found, true in zip([output, *tensors(states)], [exact, *tensors(exact_states)], strict=True):
        assert found.dtype == dtype
        assert (found.double() - true).abs().max() <= torch.finfo(dtype).eps * true.abs().max()


@every_layer
def test_autocast(name):
    layer = build(nn, name, num_layers=2).float()
    x = draw(4, 2, 3).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, _ = layer(x)
    assert output.dtype == torch.bfloat16
    output.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.abs().sum() > 0 for p in layer.parameters())
    torch.testing.assert_close(output.float(), layer(x)[0], rtol=0.02, atol=0.02)


@every_layer
def test_weights_are_read_at_each_call(name):
    layer, x = build(nn, name), draw(4, 2, 3)
    others = {key: 2 * value for key, value in layer.state_dict().items()}
    expected, _ = functional_call(layer, others, (x,))
    layer.load_state_dict(others)
    torch.testing.assert_close(layer(x)[0], expected)


@every_layer
def test_all_weights_and_flatten_parameters(name):
    options = {"num_layers": 2, "bidirectional": True}
    ours, theirs = (build(package, name, **options) for package in (nn, torch.nn))
    ours.flatten_parameters()
    torch.testing.assert_close(ours.all_weights, theirs.all_weights, rtol=0, atol=0)


def test_embedding_from_pretrained():
    table = draw(7, 3)
    for options in ({}, {"freeze": False, "padding_idx": 2, "max_norm": 1.0, "sparse": True}):
        ours, theirs = (package.Embedding.from_pretrained(table, **options) for package in (nn, torch.nn))
        assert repr(ours) == repr(theirs)
        assert ours.weight.requires_grad == theirs.weight.requires_grad
        assert ours.weight.data_ptr() == table.data_ptr()
    with pytest.raises(AssertionError, match="2 dimensions"):
        nn.Embedding.from_pretrained(table[0])


def test_second_derivative_of_embedding_keeps_the_frequency():
    """W̄[v] is the mean of the ȳ that belong to v; the mean's derivative is 1 over their number."""
    tokens = torch.tensor([1, 4, 1, 1])
    layer = nn.Embedding(7, 3, scale_grad_by_freq=True, dtype=torch.float64)
    upstream = draw(4, 3).requires_grad_()
    (grad,) = torch.autograd.grad(layer(tokens), layer.weight, upstream, create_graph=True)
    (second,) = torch.autograd.grad(grad, upstream, draw(7, 3, seed=3))
    torch.testing.assert_close(second, draw(7, 3, seed=3)[tokens] / torch.tensor([[3.0], [1.0], [3.0], [3.0]]))


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}])
def test_embedding_under_vmap(options):
    """One gradient for each of several sentences, as torch.func gives it."""
    layer = nn.Embedding(7, 3, dtype=torch.float64, **options)
    tokens, weights = torch.tensor([[1, 4, 1], [0, 6, 2]]), draw(2, 3, 3)

    def loss(table, sentence, weight):
        return (functional_call(layer, {"weight": table}, (sentence,)) * weight).sum()

    table = layer.weight.detach()
    found = vmap(grad(loss), in_dims=(None, 0, 0))(table, tokens, weights)
    expected = torch.stack([grad(loss)(table, *pair) for pair in zip(tokens, weights, strict=True)])
    torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("case", "check"),
    case_parameters(
        [case for case in CASES if case.name in ("LSTM", "GRU", "RNN")],
        {name: CHECKS[name] for name in ("gradients", "second_order")},
        "scratch.nn",
        "torch.nn",
    ),
)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_step_by_step(case, check, compiled, monkeypatch):
    """The adjoint makes its products after every step, or after two or three, in place of all at once; and a step is
    the function of which `Kernel` makes machine code."""
    monkeypatch.setattr(recurrence, "CHUNK", 2 * 3 * 20)
    for page in (gru_fast, lstm_fast, rnn) if compiled else ():
        monkeypatch.setattr(page, "ran_compiled", run_into)
    check(case, "scratch.nn", "torch.nn")


def run_into(step: Kernel, *arguments: torch.Tensor | None) -> bool:
    """What a kernel does, by its function."""
    memory = dict(zip(step.parameters, arguments, strict=True))
    found = step.function(*arguments[: step.count])
    for name, value in zip(step.into, found if isinstance(found, tuple) else (found,), strict=True):
        memory[name].copy_(value)
    return True
