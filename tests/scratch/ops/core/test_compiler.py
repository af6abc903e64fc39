"""Compiled forms: what runs compiled and what does not, and the files on disk."""

import os
import time
from multiprocessing import get_context

import pytest
import torch
from torch.autograd import forward_ad

import scratch
import scratch.optim
from scratch.ops.activation.gated import GELUFn
from scratch.ops.core import compiler
from scratch.ops.core.compiler import Build, Kernel, on_disk, only_asked, place, ran, sound
from scratch.ops.loss.cross_entropy import CrossEntropyFn
from scratch.testing.cases import CASES
from scratch.testing.cases.optim import CASES as OPTIMIZER_CASES
from zoo.tools.build import functions


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANDGRAD_CACHE", str(tmp_path_factory.mktemp("cache") / "handgrad"))
        yield


def line(x, w, factor, shift):
    return factor * x * w + shift[0], (x * w).sum(-1)


LAYOUTS = {"x": ("N", "D"), "w": ("D",)}


@pytest.fixture(scope="module")
def kernel():
    return Kernel(line, LAYOUTS, [("N", "D"), ()], name="line")


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 3), (4, 5, 7), (64, 129)])
def test_one_file_serves_all_sizes_and_factors(shape):
    kernel = Kernel(line, LAYOUTS, [("N", "D"), ("N",)], name="line")
    x, w = torch.randn(shape, dtype=torch.float64), torch.randn(shape[-1], dtype=torch.float64)
    for factor in (0.5, -3.0):
        before = ran["line", "compiled"]
        (y,) = kernel(x, w, factor, [1, 2], wanted=(True, False))
        assert ran["line", "compiled"] == before + 1
        torch.testing.assert_close(y, factor * x * w + 1, rtol=1e-14, atol=1e-14)
    assert len([*compiler.folder().glob("line-*.so")]) == 1


@pytest.mark.slow
def test_an_optimizer_steps_by_one_file():
    """Compiled once: what changes from step to step is passed."""
    start = [torch.randn(3, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)]
    ours, expected = ([x.clone().requires_grad_() for x in start] for _ in range(2))
    optimizers = scratch.optim.Adam(ours, lr=0.1), torch.optim.Adam(expected, lr=0.1)
    ran.clear()
    for _ in range(5):
        for x, y in zip(ours, expected, strict=True):
            x.grad = y.grad = torch.randn_like(x)
        with scratch.compiled():
            optimizers[0].step()
        optimizers[1].step()
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
    assert dict(ran) == {("optim.adam", "compiled"): 10}
    assert len([*compiler.folder().glob("optim.adam-*.so")]) == 1


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (torch.ones(3, 4).t(), "not contiguous"),
        (torch.ones(4, 3).half(), "torch.float16"),
        (torch.ones(1, 3), "a single row"),
        (torch.ones(0, 3), "an empty tensor"),
        (torch.ones(4, 5), "broadcast"),
        (torch.ones(3).sum(), "0 dimensions"),
    ],
)
def test_what_does_not_fit_is_not_run_and_told(kernel, x, reason):
    ran.clear()
    assert kernel(x, torch.ones(3), 2.0, [1]) is None
    assert [why for _, why in ran if reason in why], ran


def second_derivative(x):
    (grad,) = torch.autograd.grad(scratch.nn.functional.gelu(x).sum(), x, create_graph=True)
    grad.sum().backward()


def forward_mode(x):
    with forward_ad.dual_level():
        scratch.nn.functional.gelu(forward_ad.make_dual(x.detach(), torch.ones_like(x)))


def batch_of_upstream_gradients(x):
    y = scratch.nn.functional.gelu(x)
    torch.autograd.grad(y, x, torch.ones(3, *y.shape), is_grads_batched=True)


def differentiable_step(x):
    x.sum().backward()
    theta = x.clone()
    theta.grad = x.grad
    scratch.optim.Adam([theta], differentiable=True).step()


def sparse_step(x):
    embedding = scratch.nn.Embedding(4, 3, sparse=True)
    embedding(torch.tensor([1, 2])).sum().backward()
    scratch.optim.SGD(embedding.parameters(), lr=0.1).step()


@pytest.mark.parametrize(
    ("run", "name", "why"),
    [
        (torch.func.vmap(scratch.nn.functional.gelu), "activation.gated.GELUFn.value", "torch.func"),
        (torch.func.grad(lambda x: scratch.nn.functional.gelu(x).sum()), "activation.gated.GELUFn.value", "torch.func"),
        (forward_mode, "activation.gated.GELUFn.value", "forward mode"),
        (lambda x: scratch.nn.functional.gelu(x.to("meta")), "activation.gated.GELUFn.value", "memory of its own"),
        (second_derivative, "activation.gated.GELUFn.adjoint", "a derivative is recorded"),
        (batch_of_upstream_gradients, "activation.gated.GELUFn.adjoint", "torch.func"),
        (differentiable_step, "optim.adam", "a derivative is recorded"),
        (sparse_step, "optim.sgd", "a sparse gradient"),
    ],
)
def test_what_runs_as_it_stands_is_told(monkeypatch, run, name, why):
    for kernel in kernels_of(GELUFn):
        monkeypatch.setattr(kernel, "load", lambda *_: lambda tensors: [tensors[-1].clone()])
    with scratch.compiled() as told:
        told.clear()
        run(torch.randn(4, 3, requires_grad=True))
    assert [reason for what, reason in told if what == name and why in reason], told


def test_without_a_compiler_all_runs_uncompiled_with_one_warning(monkeypatch, no_compiler):
    logits, classes = torch.randn(4, 3, requires_grad=True), torch.tensor([0, 2, 1, 1])
    ran.clear()
    for kernel in (*kernels_of(GELUFn), *kernels_of(CrossEntropyFn)):
        monkeypatch.setattr(kernel, "plans", {})
    with pytest.warns(UserWarning, match=r"no C\+\+ compiler") as warned, scratch.compiled():
        scratch.nn.functional.cross_entropy(scratch.nn.functional.gelu(logits), classes).backward()
    assert len(warned) == 1
    assert {why for _, why in ran} == {"there is no C++ compiler"}
    expected = logits.detach().requires_grad_()
    torch.nn.functional.cross_entropy(torch.nn.functional.gelu(expected), classes).backward()
    torch.testing.assert_close(logits.grad, expected.grad)


def kernels_of(op):
    return [c.cell_contents for c in op.direct.forward.__closure__ if isinstance(c.cell_contents, Kernel)]


def built(what, make):
    return on_disk(Build("name", place(what, "name"), make))


def test_what_becomes_no_file(monkeypatch):
    """As on a GPU: compiled for the process, once for all sizes and factors, in place, too."""
    monkeypatch.setattr(compiler, "ahead_of_time", lambda kinds: False)
    files, counted = len([*compiler.folder().iterdir()]), Kernel(line, LAYOUTS, [("N", "D"), ("N",)], name="line")
    for shape, factor in (((2, 3), 0.5), ((4, 5, 7), -3.0), ((64, 129), -3.0)):
        x, w = torch.randn(shape, dtype=torch.float64), torch.randn(shape[-1], dtype=torch.float64)
        y, total = counted(x, w, factor, [1, 2])
        torch.testing.assert_close(y, factor * x * w + 1, rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(total, (x * w).sum(-1).flatten(), rtol=1e-13, atol=1e-13)
    assert len(counted.here) == 1
    written = Kernel(lambda p, g, lr: p - lr * g, {"p": ("N",), "g": ("N",)}, into=("p",), name="descent")
    p, g = torch.randn(7), torch.randn(7)
    expected = p - 0.1 * g
    assert written(p, g, 0.1) == []
    torch.testing.assert_close(p, expected)
    assert len([*compiler.folder().iterdir()]) == files


def test_what_is_computed_once_for_a_row_is_a_result():
    """Read in the loop over the row, not computed there; but what is asked for comes first and alone."""

    def standardised(x, eps):
        n = x - x.mean(-1, keepdim=True)
        return n * ((n * n).mean(-1, keepdim=True) + eps).rsqrt()

    kernel = Kernel(standardised, {"x": ("N", "D")}, [("N", "D")], name="standardised")
    graph, _ = kernel.exported((("cpu", torch.float64), float), None, ())
    (results,) = next(node for node in graph.graph.nodes if node.op == "output").args
    assert [node.meta["val"].dim() for node in results] == [2, 2, 2]
    assert [str(node.target) for node in results[1:]] == ["aten.mean.dim", "aten.rsqrt.default"]
    x = torch.randn(5, 7, dtype=torch.float64)
    (y,) = kernel(x, 1e-5)
    torch.testing.assert_close(y, torch.nn.functional.layer_norm(x, [7], eps=1e-5), rtol=1e-13, atol=1e-13)


def test_a_number_that_divides_a_row_is_inverted_once():
    """Of other divisions nothing changes: by a row of numbers, by a size, of one number by another."""

    def divided(x, w):
        return x / x.sum(-1, keepdim=True) / w + x.sum() / x.shape[0] / w.sum()

    kernel = Kernel(divided, LAYOUTS, [("N", "D")], name="divided")
    graph, _ = kernel.exported((("cpu", torch.float64),) * 2, None, ())
    called = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert [called.count(f"aten.{name}") for name in ("reciprocal.default", "div.Tensor")] == [1, 3]
    x, w = torch.rand(5, 7, dtype=torch.float64), torch.rand(7, dtype=torch.float64)
    torch.testing.assert_close(kernel(x, w)[0], divided(x, w), rtol=1e-14, atol=1e-14)


def test_rows_are_added_eight_at_a_time():
    """In all numbers of rows: none that is left, some, and fewer than eight."""
    kernel = Kernel(lambda x, w: (x * w).sum(0), LAYOUTS, [("D",)], name="columns")
    graph, _ = kernel.exported((("cpu", torch.float64),) * 2, None, ())
    assert compiler.sum_of_rows in [node.target for node in graph.graph.nodes]
    for rows in (2, 7, 8, 9, 16, 23, 1000):
        x, w = torch.randn(rows, 5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
        torch.testing.assert_close(kernel(x, w)[0], (x * w).sum(0), rtol=1e-12, atol=1e-12)


def test_every_function_of_the_package_can_be_exported():
    """One that cannot runs uncompiled, with a warning."""
    for build in functions([*CASES, *OPTIMIZER_CASES], torch.float64):
        build.make.func.__self__.exported(*build.make.args)


def test_the_source_of_a_page_is_also_what_it_imports(monkeypatch):
    """An optimizer's rule, and what is below it; but no other page."""
    before = [compiler.source(page) for page in ("scratch.optim.adam", "scratch.ops.activation.gated")]
    read = compiler.text
    monkeypatch.setattr(
        compiler, "text", lambda module: read(module) + (b"# changed" if module == "scratch.optim.rule" else b"")
    )
    after = [compiler.source.__wrapped__(page) for page in ("scratch.optim.adam", "scratch.ops.activation.gated")]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True]


def test_tensors_of_one_layout_have_one_shape():
    """Read as rows of numbers (4, 1) and (1, 4) were alike."""
    kernel = Kernel(lambda x, t: x - t, {"x": ("N",), "t": ("N",)}, [("N",)], name="difference")
    ran.clear()
    assert kernel(torch.ones(4, 1), torch.ones(1, 4)) is None
    assert dict(ran) == {("difference", "tensors that are broadcast"): 1}


def halves(a, h):
    left, right = a.split([h.shape[1]] * 2, 1)
    return torch.cat((left * h, right + h), 1), left + right


SPLIT = {"a": ("N", "2H"), "h": ("N", "H"), "total": ("N", "H")}


@pytest.mark.slow
def test_results_in_memory_that_is_given():
    """One file for all H but 1, which has its own."""
    kernel = Kernel(halves, SPLIT, into=("a", "total"), name="halves")
    for N, H in ((3, 4), (70, 33), (5, 1)):
        a, h, total = torch.randn(N, 2 * H), torch.randn(N, H), torch.empty(N, H)
        expected = halves(a.clone(), h)
        assert kernel(a, h, total) == []
        torch.testing.assert_close((a, total), expected)
    assert len([*compiler.folder().glob("halves-*.so")]) == 2


def test_what_would_be_built():
    """Functions run as they are, and leave nothing behind."""
    kernel = Kernel(halves, SPLIT, into=("a", "total"), name="noted")
    a, h, total = torch.ones(3, 8), torch.ones(3, 4), torch.empty(3, 4)
    with only_asked() as asked:
        kernel(a, h, total)
        kernel(a, h, total)
    assert [build.name for build in asked.values()] == ["noted"]
    assert not kernel.plans
    assert not any(sound(file) for file in asked)
    torch.testing.assert_close(total, torch.full((3, 4), 3.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_layer_steps_compiled(name):
    layer, native = getattr(scratch.nn, name)(3, 4).double(), getattr(torch.nn, name)(3, 4).double()
    layer.load_state_dict(native.state_dict())
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    ran.clear()
    with scratch.compiled():
        y, _ = layer(x)
    y.sum().backward()  # outside, and with a gradient of no memory of its own
    expected, _ = native(x)
    expected.sum().backward()
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-12)
    for p, q in zip(layer.parameters(), native.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-10, atol=1e-12)
    assert {why for _, why in ran} == {"compiled"}
    assert set(ran.values()) == {5}


def test_a_broken_file_is_built_anew():
    file = built("what", lambda path: path.write_bytes(b"whole"))
    file.write_bytes(b"brok")
    assert not sound(file)
    assert built("what", lambda path: path.write_bytes(b"again")).read_bytes() == b"again"


def test_a_build_that_fails_leaves_nothing():
    def fails(path):
        path.write_bytes(b"half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        built("fails", fails)
    assert built("fails", lambda path: path.write_bytes(b"whole")).read_bytes() == b"whole"


def test_another_torch_is_another_file(monkeypatch):
    def write(path):
        path.write_bytes(b"")

    first = built("source", write)
    monkeypatch.setattr(compiler, "surroundings", lambda: "another torch")
    assert built("source", write) != first


def build_slowly(log):
    def build(path):
        with open(log, "a") as file:
            file.write("built\n")
        time.sleep(0.5)
        path.write_bytes(b"whole")

    assert built("slow", build).read_bytes() == b"whole"


def test_of_two_processes_one_builds(tmp_path):
    log = tmp_path / "log"
    both = [get_context("fork").Process(target=build_slowly, args=(log,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert log.read_text() == "built\n"


def test_a_folder_that_others_may_write_into_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path))
    os.chmod(tmp_path, 0o777)
    with pytest.raises(PermissionError, match="nobody else may write"):
        compiler.folder()
