"""What the cases of scratch/testing/cases/optim.py cannot say about scratch.optim: its insides, and training."""

import copy
import warnings
from functools import partial

import lightning
import pytest
import torch
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

import scratch.optim
from scratch.optim import rule
from scratch.testing import OPTIMIZER_CHECKS
from scratch.testing.cases.optim import CASES, one_of_each

FEW = [*one_of_each(CASES)]
REFERENCE = "torch.optim"
pytestmark = pytest.mark.usefixtures("one_thread")


# What goes on inside: tensors cut into pieces, and laid out otherwise

STEPPED = [case for case in FEW if case.objective is None]


@pytest.mark.parametrize("case", STEPPED, ids=str)
def test_pieces(case, optim, monkeypatch):
    """The same with tensors cut after every 3 numbers."""
    monkeypatch.setattr(rule, "PIECE", 3 * 8)
    OPTIMIZER_CHECKS["steps"](case, optim, REFERENCE)


def test_pieces_are_all_of_the_tensors_once(monkeypatch):
    monkeypatch.setattr(rule, "PIECE", 10 * 4)
    sizes = [3, 25, 0, 4, 4, 1, 11]
    rows = [[torch.full((size,), float(i)), torch.arange(size)] for i, size in enumerate(sizes)]
    seen = [
        (int(a), int(b))
        for xs, ys in rule.pieces(rows)
        for x, y in zip(xs, ys, strict=True)
        for a, b in zip(x, y, strict=True)
    ]
    assert sorted(seen) == [(i, j) for i, size in enumerate(sizes) for j in range(size)]
    assert all(sum(x.numel() for x in xs) <= 15 for xs, _ in rule.pieces(rows))


@pytest.mark.parametrize("name", ["SGD", "Adam", "Rprop"])
@pytest.mark.parametrize("layout", ["channels_last", "transposed", "gradient transposed"])
def test_layouts(name, layout, monkeypatch):
    monkeypatch.setattr(rule, "PIECE", 16)
    kwargs = {"momentum": 0.9} if name == "SGD" else {}
    results = []
    for package in (scratch.optim, torch.optim):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(4, 3, 2, 2, generator=generator, dtype=torch.float64)
        x = {
            "channels_last": x.contiguous(memory_format=torch.channels_last),
            "transposed": x.transpose(0, 1),
            "gradient transposed": x,
        }[layout].requires_grad_()
        optimizer = getattr(package, name)([x], lr=0.1, **kwargs)
        for _ in range(5):
            gradient = torch.randn(*reversed(x.shape), generator=generator, dtype=torch.float64)
            x.grad = gradient.permute(3, 2, 1, 0) if layout == "gradient transposed" else gradient.view(x.shape)
            optimizer.step()
        results.append(x.detach())
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", STEPPED, ids=str)
def test_low_precision(case, dtype):
    """As near to the float64 path as torch is, within a factor of two."""
    if case.name == "Muon":
        pytest.skip("computes in bfloat16 whatever the parameters are")

    def path(package, dtype):
        generator = torch.Generator().manual_seed(0)
        start = [torch.randn(6, 4, generator=generator), torch.randn(3, generator=generator)]
        params = [p.bfloat16().to(dtype).requires_grad_() for p in start]
        kwargs = {key: float(v) if isinstance(v, torch.Tensor) else v for key, v in case.kwargs.items()}
        optimizer = getattr(package, case.name)(params, **kwargs)
        for _ in range(5):
            for p in params:
                gradient = torch.randn(p.shape, generator=generator).bfloat16().to(dtype)
                p.grad = gradient.to_sparse(1) if case.name == "SparseAdam" else gradient
            optimizer.step()
        return torch.cat([p.detach().double().flatten() for p in params])

    truth = path(torch.optim, torch.float64)
    ours, theirs = ((path(package, dtype) - truth).norm() for package in (scratch.optim, torch.optim))
    assert ours <= 2 * theirs + torch.finfo(dtype).eps * truth.norm()


# What stands around an optimizer

MAKE = {  # every optimizer that steps without a closure, where a scheduler may change it
    name: {"momentum": 0.9} if name in ("SGD", "DeltaBarDelta") else {}
    for name in scratch.optim.__all__
    if name not in ("Optimizer", "SparseAdam", "LBFGS", "ConjugateGradient", "Newton", "Nesterov")
}
SCHEDULERS = {
    "step": lambda o: lr_scheduler.StepLR(o, 2),
    "multistep": lambda o: lr_scheduler.MultiStepLR(o, [2, 5]),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 8),
    "one-cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.1, 10, cycle_momentum="betas" in o.defaults),
    "warm-up": lambda o: lr_scheduler.LambdaLR(o, lambda t: min((t + 1) ** -0.5, (t + 1) * 4**-1.5)),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
    "sequential": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("name", MAKE)
def test_schedulers(name, scheduler):
    """torch's schedulers give the same learning rates and, where torch has the optimizer, the same path."""
    packages = [p for p in (scratch.optim, torch.optim) if hasattr(p, name)]
    paths, rates = [], []
    for package in packages:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(3, 4, generator=generator, dtype=torch.float64).requires_grad_()
        optimizer = getattr(package, name)([x], lr=0.05, **MAKE[name])
        schedule = SCHEDULERS[scheduler](optimizer)
        paths.append([])
        rates.append([])
        for _ in range(9):
            x.grad = torch.randn(3, 4, generator=generator, dtype=torch.float64)
            optimizer.step()
            schedule.step(*([1.0] if scheduler == "plateau" else []))
            rates[-1].append(optimizer.param_groups[0]["lr"])
            paths[-1].append(x.detach().clone())
    assert len(set(rates[0])) > 1
    assert all(step.isfinite().all() for step in paths[0])
    if len(packages) == 2:
        assert rates[0] == rates[1]
        torch.testing.assert_close(*map(torch.stack, paths), rtol=1e-9, atol=1e-12)


def test_the_rate_is_the_scheduled_one():
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer = scratch.optim.SGD([x], lr=1.0)
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    for expected in (0.0, -0.5, -0.75):
        x.grad = torch.ones_like(x)
        optimizer.step()
        schedule.step()
        assert x.tolist() == [expected, expected]


def test_hooks_closures_and_names():
    x = torch.ones(2, requires_grad=True)
    optimizer = scratch.optim.Adam([("weight", x)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight"]
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))

    def closure():
        seen.append(torch.is_grad_enabled())
        return 3.0

    assert optimizer.step(closure) == 3.0
    assert seen == ["before", True, "after"]
    optimizer.add_param_group(
        {"params": [torch.ones(3, requires_grad=True)], "lr": 0.5, "param_names": ["b"]}
        | {"params": [("bias", torch.ones(3, requires_grad=True))]}
    )
    assert optimizer.param_groups[1]["lr"] == 0.5


@pytest.mark.parametrize("flags", [{"foreach": True}, {"foreach": False}, {"fused": True}, {"fused": False}])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_speed_flags_are_kept_and_change_nothing(name, flags):
    paths = []
    for options in ({}, flags):
        x = torch.linspace(-1, 1, 5, dtype=torch.float64).requires_grad_()
        optimizer = getattr(scratch.optim, name)([x], lr=0.1, **options)
        for _ in range(3):
            x.grad = x.detach().clone()
            optimizer.step()
        paths.append(x.detach())
    torch.testing.assert_close(*paths, rtol=0, atol=0)
    assert flags.items() <= optimizer.param_groups[0].items()


@pytest.mark.parametrize("options", [{}, {"fused": True}])
def test_gradient_scaler(options):
    """Scaled gradients are unscaled before the step; a step with an infinite one is left out."""
    paths = []
    for package in (scratch.optim, torch.optim):
        x = torch.linspace(-1, 1, 5).requires_grad_()
        optimizer = package.Adam([x], lr=0.1, **options)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2)
        for step in range(6):
            optimizer.zero_grad()
            scaler.scale((x * x).sum()).backward()
            if step == 2:
                x.grad[1] = torch.inf
            scaler.step(optimizer)
            scaler.update()
        paths.append((x.detach(), scaler.get_scale(), optimizer.state[x]["step"].item()))
    torch.testing.assert_close(paths[0][0], paths[1][0])
    assert paths[0][1:] == paths[1][1:]
    assert paths[0][2] == 5


# Lightning


class Regression(lightning.LightningModule):
    def __init__(self, make, hidden=True, create_graph=False):
        super().__init__()
        torch.manual_seed(0)
        linear, tanh = torch.nn.Linear, torch.nn.Tanh
        self.net = torch.nn.Sequential(linear(4, 3), tanh(), linear(3, 1)) if hidden else linear(4, 1)
        self.make, self.create_graph, self.losses = make, create_graph, []

    def training_step(self, batch, _):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.net(x), y)
        self.losses.append(loss.item())
        return loss

    def backward(self, loss):
        loss.backward(create_graph=self.create_graph)

    def configure_optimizers(self):
        return self.make(self.parameters())


def fit(make, *, double=True, hidden=True, create_graph=False, **options):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(32, 4, generator=generator)
    y = torch.sin(x.sum(1, keepdim=True))
    if double:
        x, y = x.double(), y.double()
    module = Regression(make, hidden, create_graph)
    module = module.double() if double else module
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, DataLoader(TensorDataset(x, y), batch_size=8))
    return module


TRAINERS = {
    "plain": {},
    "clipped by norm": {"gradient_clip_val": 0.05},
    "clipped by value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    "accumulated": {"accumulate_grad_batches": 2},
    "bf16-mixed": {"precision": "bf16-mixed", "double": False},
}


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("name", ["SGD", "Adam", "LBFGS"])
def test_lightning(name, trainer):
    if name == "LBFGS" and "clipped" in trainer:
        pytest.skip("Lightning does not clip for LBFGS")
    makers = [partial(getattr(package, name), lr=0.05) for package in (scratch.optim, torch.optim)]
    modules = [fit(make, **TRAINERS[trainer]) for make in makers]
    tolerance = 1e-3 if trainer == "bf16-mixed" else 1e-9
    for ours, theirs in zip(*(module.parameters() for module in modules), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["Nesterov", "ConjugateGradient", "Newton", "SWATS", "AdaBound", "DeltaBarDelta"])
def test_lightning_with_rules_that_torch_lacks(name):
    options = {"Newton": {"lr": 0.1, "cutoff": 0.1}, "ConjugateGradient": {"max_iter": 3}}.get(name, {"lr": 0.05})
    make = getattr(scratch.optim, name)
    module = fit(partial(make, **options), hidden=False, create_graph=name == "Newton")
    assert module.losses[-1] < module.losses[0]


# Gradients through the steps themselves

DIFFERENTIABLE = {
    "Adadelta": {"lr": 0.5, "rho": 0.9, "weight_decay": 0.1},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1},
    "Adam": {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1, "eps": 1e-3, "amsgrad": True},
    "AdamW": {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1, "maximize": True},
    "Adamax": {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1},
    "ASGD": {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 2.0, "weight_decay": 0.1},
    "NAdam": {"lr": 0.1, "betas": (0.9, 0.99), "momentum_decay": 0.01, "weight_decay": 0.1},
    "RAdam": {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1},
    "RMSprop": {"lr": 0.1, "alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1, "centered": True},
    "Rprop": {"lr": 0.1},
    "SGD": {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1},
}
ONE = torch.ones((), dtype=torch.float64)


def steps(name: str, param: torch.Tensor, target: torch.Tensor, count: int, **options) -> torch.Tensor:
    """The parameter after some steps, and the state that depends on something."""
    param = param.clone() if options.get("differentiable") else param.detach().clone().requires_grad_()
    optimizer = getattr(scratch.optim, name)([param], **options)
    for t in range(count):
        loss = ((t + 1) * (param - target) ** 2).sum()
        (param.grad,) = torch.autograd.grad(loss, param, create_graph=True)
        optimizer.step()
    state = [value for value in optimizer.state[param].values() if isinstance(value, torch.Tensor)]
    return param, *[value for value in state if value.requires_grad]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_differentiable(name):
    """Six steps, by finite differences: through the parameter, the gradients, the state and every hyper-parameter."""
    options = DIFFERENTIABLE[name]
    kept = {key: value for key, value in options.items() if isinstance(value, bool) or key == "t0"}
    followed = {key: value for key, value in options.items() if key not in kept}
    rows = [value if isinstance(value, tuple) else (value,) for value in followed.values()]
    values = [(ONE * value).requires_grad_() for row in rows for value in row]

    def function(param, target, *values):
        remaining = iter(values)
        given = {
            key: tuple(next(remaining) for _ in value) if isinstance(value, tuple) else next(remaining)
            for key, value in followed.items()
        }
        return steps(name, param, target, 6, differentiable=True, **kept, **given)

    param, target = torch.rand(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inputs = param.requires_grad_(), target.requires_grad_(), *values
    assert torch.autograd.gradcheck(function, inputs, atol=1e-7, rtol=1e-5)
    ordinary = steps(name, param, target, 6, **options)[0]
    torch.testing.assert_close(function(*inputs)[0], ordinary, rtol=1e-7, atol=1e-9)  # float32 is what counts eta


def test_a_leaf_cannot_be_differentiated_through():
    weight = torch.ones(2, requires_grad=True)
    weight.grad = torch.ones(2)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        scratch.optim.SGD([weight], 0.1, differentiable=True).step()


COUNTING = [name for name in scratch.optim.__all__ if getattr(getattr(scratch.optim, name), "counters", ())]


@pytest.mark.parametrize("name", [name for name in COUNTING if name not in ("Optimizer", "Nesterov", "Newton")])
def test_counts_that_are_no_tensors(name):
    """As checkpoints before torch 1.12 have them; the steps after are the same."""

    def make():
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 6, dtype=torch.float64).view(2, 3))
        return weight, getattr(scratch.optim, name)([weight])

    def step(weight, optimizer, times):
        for _ in range(times):
            optimizer.zero_grad()
            ((weight - 2) ** 2).sum().backward()
            optimizer.step(lambda: ((weight - 2) ** 2).sum() if name in ("LBFGS", "ConjugateGradient") else None)

    (weight, optimizer), (other, resumed) = make(), make()
    step(weight, optimizer, 3)
    saved = copy.deepcopy(optimizer.state_dict())
    for state in saved["state"].values():
        for key in optimizer.counters:
            if key in state:
                state[key] = state[key].item()
                assert not isinstance(state[key], torch.Tensor)
    resumed.load_state_dict(saved)
    other.data.copy_(weight.data)
    step(weight, optimizer, 2)
    step(other, resumed, 2)
    assert torch.equal(weight, other)
