"""What no case of attention, transformer and linear_cross_entropy can say: that blocks and chunks of any size give the
same, that memory stays small, and how layers fit together."""

import math

import pytest
import torch
import torch.nn.functional
from torch.utils._python_dispatch import TorchDispatchMode

import zoo.layers
from scratch import nn
from scratch.nn import functional as F
from scratch.ops.attention import attention_fast as attention
from scratch.ops.loss import linear_cross_entropy
from scratch.testing import CHECKS, PURITY_CHECKS
from scratch.testing.cases.attention import FUNCTION
from scratch.testing.cases.linear_cross_entropy import CASES as LINEAR_CROSS_ENTROPY
from tests.conftest import case_parameters

PATHS = ("outputs", "gradients", "subsets", "layouts", "untouched", "twice", "second_order", "float32", "bfloat16")


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pytest_generate_tests(metafunc):
    tables = {test_blocks: FUNCTION, test_chunks: LINEAR_CROSS_ENTROPY}
    if metafunc.function in tables:
        checks = {name: CHECKS[name] for name in PATHS} | PURITY_CHECKS
        parameters = case_parameters(tables[metafunc.function], checks, "scratch.nn", "torch.nn")
        metafunc.parametrize(("case", "check"), parameters)


@pytest.mark.filterwarnings("ignore")
def test_blocks(case, check, monkeypatch):
    """Running softmax and recomputation, over blocks of two rows and two keys, two heads at a time."""
    for name, value in {"KEPT": 0, "ROWS": 2, "KEYS": 2, "BLOCK": 8}.items():
        monkeypatch.setattr(attention, name, value)
    check(case, "scratch.nn", "torch.nn")


@pytest.mark.filterwarnings("ignore")
def test_chunks(case, check, monkeypatch):
    """Three rows of five logits at a time."""
    monkeypatch.setattr(linear_cross_entropy, "CHUNK", 15)
    check(case, "scratch.nn", "torch.nn")


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("L", "S"), [(600, 600), (300, 1100), (1100, 100)])
def test_blocks_of_full_size(L, S, causal):
    q, k, v = (draw(2, 2, n, 8, seed=i).requires_grad_() for i, n in enumerate((L, S, S)))
    upstream = draw(2, 2, L, 8, seed=3)
    results = []
    for function in (F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention):
        output = function(q, k, v, is_causal=causal)
        results.append([output, *torch.autograd.grad(output, (q, k, v), upstream)])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


def test_scores_that_grow_from_block_to_block_do_not_overflow():
    keys = torch.linspace(-1e4, 1e4, 2000, dtype=torch.float64)[:, None]
    values = torch.arange(2000.0, dtype=torch.float64)[:, None]
    output = F.scaled_dot_product_attention(torch.tensor([[1.0], [-1.0]], dtype=torch.float64), keys, values)
    torch.testing.assert_close(output, torch.tensor([[1999.0], [0.0]], dtype=torch.float64), atol=0.01, rtol=0)


class Largest(TorchDispatchMode):
    """The bytes of the largest tensor that any operation makes."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.size = max(self.size, tensor.untyped_storage().nbytes())
        return result


def test_attention_holds_no_matrix_of_scores():
    q, k, v = (draw(1, 1, 4096, 4, seed=i, dtype=torch.float32).requires_grad_() for i in range(3))
    with Largest() as largest:
        F.scaled_dot_product_attention(q, k, v, torch.zeros(4096) > -1).sum().backward()
    assert largest.size <= 4 * attention.BLOCK * torch.get_num_threads()


def test_linear_cross_entropy_holds_no_matrix_of_logits():
    x, weight = draw(4000, 4, dtype=torch.float32).requires_grad_(), draw(5000, 4, dtype=torch.float32).requires_grad_()
    target = torch.arange(4000)
    with Largest() as largest:
        F.linear_cross_entropy(x, weight, target).backward()
    assert largest.size <= 4 * linear_cross_entropy.CHUNK


ALTOGETHER = {
    "self": lambda m, x, y: m(x, x, x),
    "memory": lambda m, x, y: m(x, y, y),
    "self without weights": lambda m, x, y: m(x, x, x, need_weights=False),
    "memory without weights": lambda m, x, y: m(x, y, y, need_weights=False),
}


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("call", ALTOGETHER)
def test_multihead_attention_to_one_sequence_or_to_a_memory(call, batch_first):
    """Where key and value are the same tensor, they are projected together."""
    results = []
    for package in (nn, torch.nn):
        torch.manual_seed(0)
        module = package.MultiheadAttention(8, 2, 0.3, add_bias_kv=True, batch_first=batch_first, dtype=torch.float64)
        x, y = draw(3, 3, 8, seed=1).requires_grad_(), draw(3, 3, 8, seed=2).requires_grad_()
        outputs = [t for t in ALTOGETHER[call](module, x, y) if t is not None]
        outputs[0] = torch.nn.functional.dropout(outputs[0], 0.4)  # numbers are drawn in the order of memory
        upstream = [draw(*t.shape, seed=3 + i) for i, t in enumerate(outputs)]
        wanted = [x, y, *module.parameters()]
        results.append(outputs + list(torch.autograd.grad(outputs, wanted, upstream, allow_unused=True)))
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


def test_static_keys_and_values():
    weight, bias = draw(12, 4), draw(12, seed=1)
    options = {"static_k": draw(4, 5, 2, seed=2), "static_v": draw(4, 5, 2, seed=3)}
    options["key_padding_mask"] = draw(2, 5) > 0.5
    arguments = (draw(3, 2, 4), *[draw(5, 2, 4)] * 2, 4, 2, weight, bias, None, None, True, 0.0, weight[:4], bias[:4])
    for need_weights in (True, False):
        found, expected = (
            package.multi_head_attention_forward(*arguments, need_weights=need_weights, **options)
            for package in (F, torch.nn.functional)
        )
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("enable_nested_tensor", [False, True])
def test_encoder_and_decoder_stacks(enable_nested_tensor):
    padding = torch.tensor([[False, False, False], [False, False, True]])
    results = []
    for package in (nn, torch.nn):
        torch.manual_seed(0)
        options = {"batch_first": True, "dtype": torch.float64}
        layer = package.TransformerEncoderLayer(4, 2, 5, 0.2, "gelu", **options)
        encoder = package.TransformerEncoder(layer, 2, None, enable_nested_tensor)
        decoder = package.TransformerDecoder(
            package.TransformerDecoderLayer(4, 2, 5, 0.2, **options), 2, package.LayerNorm(4, dtype=torch.float64)
        )
        mask = package.Transformer.generate_square_subsequent_mask(3, dtype=torch.float64)
        x = draw(2, 3, 4).requires_grad_()
        memory = encoder(x, src_key_padding_mask=padding)
        output = decoder(x, memory, mask, memory_key_padding_mask=padding)
        gradients = torch.autograd.grad(output, [x, *encoder.parameters(), *decoder.parameters()], draw(2, 3, 4))
        results.append([output, *gradients])
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


def test_encoder_warns_where_torch_does():
    with pytest.warns(UserWarning, match="batch_first"):
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2), 1)


@pytest.mark.parametrize("name", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_rounding_errors_in_bfloat16_are_not_larger(name):
    """Errors of single numbers are chance; their root mean square over many draws is not."""
    squares = torch.zeros(2, dtype=torch.float64)
    for seed in range(20):
        torch.manual_seed(seed)
        native = getattr(torch.nn, name)(8, 2, 16, 0.0).double()
        inputs = [draw(3, 2, 8, seed=seed).bfloat16(), draw(4, 2, 8, seed=seed + 99).bfloat16()][: 1 + ("De" in name)]
        state = {key: value.bfloat16() for key, value in native.state_dict().items()}
        results = []
        for package, dtype in ((torch.nn, torch.float64), (nn, torch.bfloat16), (torch.nn, torch.bfloat16)):
            module = getattr(package, name)(8, 2, 16, 0.0, dtype=dtype)
            module.load_state_dict(state)
            output = module(*(x.to(dtype) for x in inputs))
            upstream = draw(3, 2, 8, seed=seed + 7).bfloat16().to(dtype)
            results.append([output, *torch.autograd.grad(output, list(module.parameters()), upstream)])
        truth, *rounded = results
        for i, tensors in enumerate(rounded):
            squares[i] += sum(
                ((t.double() - true) / true.norm()).square().sum() for t, true in zip(tensors, truth, strict=True)
            )
    ours, theirs = squares.sqrt()
    assert ours <= 1.1 * theirs


def test_autocast():
    x, weight, target = draw(6, 8, dtype=torch.float32), draw(5, 8, dtype=torch.float32), torch.arange(6) % 5
    for package in (F, torch.nn.functional):
        with torch.autocast("cpu", torch.bfloat16):
            output = package.scaled_dot_product_attention(x, x, x)
            assert output.dtype == torch.bfloat16
            if hasattr(package, "linear_cross_entropy"):  # which torch has since 2.13
                assert package.linear_cross_entropy(x, weight, target).dtype == torch.float32
            assert package.layer_norm(x, (8,)).dtype == torch.float32
    torch.testing.assert_close(output.float(), F.scaled_dot_product_attention(x, x, x), atol=0.02, rtol=0.02)


@pytest.mark.parametrize("options", [{"is_causal": True}, {"is_causal": True, "dropout_p": 0.4}, {"enable_gqa": True}])
@pytest.mark.parametrize("shape", [(0, 2, 3, 4), (2, 0, 3, 4), (2, 2, 0, 4), (2, 2, 3, 0)])
def test_attention_to_nothing(shape, options):
    """No sequences, no heads, no rows or no features: as torch's, forward and backward."""
    found = []
    for package in (torch.nn.functional, F):
        q, k, v = (draw(*shape, seed=i).requires_grad_() for i in range(3))
        output = package.scaled_dot_product_attention(q, k, v, **options)
        found.append((output, *torch.autograd.grad(output.sum(), (q, k, v))))
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["LearnedPositions", "SinusoidalPositions"])
def test_positions_piece_by_piece(name):
    for package in (nn, zoo.layers):
        layer = getattr(package, name)(6, 20)
        x = draw(2, 10, 6, dtype=torch.float32)
        pieces = [layer(x[:, :4]), layer(x[:, 4:], 4)]
        torch.testing.assert_close(torch.cat(pieces, 1), layer(x), rtol=0, atol=0)


def test_sinusoids_turn_with_the_position():
    """The inner product of two rows depends on how far apart they are, and on nothing else."""
    table = nn.SinusoidalPositions(8, 50, dtype=torch.float64).table
    products = table @ table.T
    for distance in range(49):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-10, atol=0)


def test_label_smoothing_and_scale_have_the_expected_meaning():
    """Uniform logits: the loss is log C whatever the smoothing."""
    loss = F.linear_cross_entropy(draw(3, 4), torch.zeros(7, 4).double(), torch.tensor([0, 3, 6]), label_smoothing=0.3)
    assert loss.item() == pytest.approx(math.log(7))
