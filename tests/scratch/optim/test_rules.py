"""The rules that torch lacks, each against an oracle that shares no code with it: the recurrence written out in
NumPy on one long vector, SciPy, or a closed form."""

import copy

import numpy as np
import pytest
import scipy.optimize
import torch
from torch import Tensor

import scratch.nn
import scratch.optim
from scratch.testing import Audit

pytestmark = pytest.mark.usefixtures("one_thread")
STEPS = 40
SHAPES = [(3, 4), (5,), ()]


def vector(tensors) -> np.ndarray:
    return np.concatenate([tensor.detach().reshape(-1).numpy() for tensor in tensors]).astype(float)


def parameters(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in SHAPES]


def random_gradients(size: int, seed: int = 1) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).standard_normal((STEPS, size)))


def assign(params: list[Tensor], gradient: np.ndarray) -> None:
    parts = torch.as_tensor(gradient).split([param.numel() for param in params])
    for param, part in zip(params, parts, strict=True):
        param.grad = part.view(param.shape).clone()


def require_path(name: str, oracle, **options) -> None:
    """The optimizer goes where the oracle goes. ``oracle`` yields θ after each step, given θ₀ and gradients."""
    params = parameters()
    gradients = random_gradients(len(vector(params)))
    optimizer = getattr(scratch.optim, name)(params, **options)
    for gradient, expected in zip(gradients, oracle(vector(params), gradients), strict=True):
        assign(params, gradient)
        optimizer.step()
        np.testing.assert_allclose(vector(params), expected, rtol=1e-10, atol=1e-12)


# Recurrences in NumPy


def test_momentum_as_a_moving_average():
    def oracle(theta, gradients, a=0.8, lr=0.1):
        M = np.zeros_like(theta)
        for g in gradients:
            M = a * M + (1 - a) * g
            theta = theta - lr * M
            yield theta

    require_path("SGD", oracle, lr=0.1, momentum=0.8, moving_average=True)


def test_adam_without_bias_correction():
    def oracle(theta, gradients, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-3):
        m = v = np.zeros_like(theta)
        for g in gradients:
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            theta = theta - lr * m / (np.sqrt(v) + eps)
            yield theta

    require_path("Adam", oracle, lr=0.1, betas=(0.9, 0.99), eps=1e-3, bias_correction=False)
    require_path("AdamW", oracle, lr=0.1, betas=(0.9, 0.99), eps=1e-3, weight_decay=0, bias_correction=False)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_with_the_maximum_inside(amsgrad):
    """v is a running maximum already, so that AMSGrad's maximum beside it changes nothing."""

    def oracle(theta, gradients, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-3):
        m = v = np.zeros_like(theta)
        for t, g in enumerate(gradients, 1):
            m = beta1 * m + (1 - beta1) * g
            v = np.maximum(beta2 * v + (1 - beta2) * g**2, v)
            theta = theta - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
            yield theta

    require_path("Adam", oracle, lr=0.1, betas=(0.9, 0.99), eps=1e-3, amsgrad=amsgrad, monotone=True)
    require_path("AdamW", oracle, lr=0.1, betas=(0.9, 0.99), eps=1e-3, weight_decay=0, amsgrad=amsgrad, monotone=True)


def test_rmsprop_with_epsilon_inside_the_root():
    def oracle(theta, gradients, lr=0.1, alpha=0.9, eps=0.1):
        v = np.zeros_like(theta)
        for g in gradients:
            v = alpha * v + (1 - alpha) * g**2
            theta = theta - lr * g / np.sqrt(v + eps)
            yield theta

    require_path("RMSprop", oracle, lr=0.1, alpha=0.9, eps=0.1, eps_inside_root=True)


def test_adagrad_with_epsilon_inside_the_root():
    def oracle(theta, gradients, lr=0.1, eps=0.1):
        s = np.zeros_like(theta)
        for g in gradients:
            s = s + g**2
            theta = theta - lr * g / np.sqrt(s + eps)
            yield theta

    require_path("Adagrad", oracle, lr=0.1, eps=0.1, eps_inside_root=True)


def test_sparse_adagrad_with_epsilon_inside_the_root():
    param = torch.ones(4, 2, dtype=torch.float64, requires_grad=True)
    rows, values = torch.tensor([[2, 0, 2]]), torch.arange(1.0, 7.0, dtype=torch.float64).view(3, 2)
    param.grad = torch.sparse_coo_tensor(rows, values, param.shape, check_invariants=True)
    dense = param.grad.to_dense().numpy()
    scratch.optim.Adagrad([param], lr=0.1, eps=0.1, eps_inside_root=True).step()
    np.testing.assert_allclose(param.detach().numpy(), 1 - 0.1 * dense / np.sqrt(dense**2 + 0.1), rtol=1e-12)


@pytest.mark.parametrize("amsbound", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adabound(amsbound, weight_decay):
    def oracle(theta, gradients, lr=0.01, beta1=0.9, beta2=0.99, final_lr=0.05, gamma=0.1, eps=1e-8):
        m = v = top = np.zeros_like(theta)
        for t, g in enumerate(gradients, 1):
            g = g + weight_decay * theta
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            top = np.maximum(top, v)
            eta = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t) / (np.sqrt(top if amsbound else v) + eps)
            eta = np.clip(eta, final_lr * (1 - 1 / (gamma * t + 1)), final_lr * (1 + 1 / (gamma * t)))
            theta = theta - eta * m
            yield theta

    require_path(
        "AdaBound", oracle, lr=0.01, betas=(0.9, 0.99), final_lr=0.05, gamma=0.1,
        weight_decay=weight_decay, amsbound=amsbound,
    )  # fmt: skip


def test_adabound_ends_as_sgd_whose_rate_follows_the_schedule():
    """κ t → ∞ closes the bounds: every number steps by the same γ*, scaled by the schedule."""
    params = parameters()
    optimizer = scratch.optim.AdaBound(params, lr=0.01, betas=(0.0, 0.9), final_lr=0.5, gamma=0.999)
    before = vector(params)
    assign(params, np.ones(len(before)))
    optimizer.step()
    for param in params:
        optimizer.state[param]["step"].fill_(1e7)
    optimizer.param_groups[0]["lr"] *= 0.1
    before = vector(params)
    gradient = random_gradients(len(before))[0]
    assign(params, gradient)
    optimizer.step()
    np.testing.assert_allclose(vector(params), before - 0.05 * gradient, rtol=1e-5)


@pytest.mark.parametrize(("momentum", "by_velocity"), [(0.0, False), (0.5, False), (0.5, True)])
def test_delta_bar_delta(momentum, by_velocity):
    def oracle(theta, gradients, lr=0.1):
        gain, velocity, before = np.ones_like(theta), np.zeros_like(theta), None
        for g in gradients:
            if before is not None:
                agrees = g * (velocity if by_velocity else before) > 0
                gain = np.clip(np.where(agrees, gain + 0.05, gain * 0.95), 0.8, 1.15)
            velocity = momentum * velocity + gain * g
            theta, before = theta - lr * velocity, g
            yield theta

    require_path("DeltaBarDelta", oracle, lr=0.1, gains=(0.8, 1.15), momentum=momentum, by_velocity=by_velocity)


def test_gains_by_velocity_keep_no_gradient_and_need_a_velocity():
    param = torch.ones(2, requires_grad=True)
    optimizer = scratch.optim.DeltaBarDelta([param], momentum=0.5, by_velocity=True)
    param.grad = torch.ones(2)
    optimizer.step()
    assert set(optimizer.state[param]) == {"gain", "momentum_buffer"}
    with pytest.raises(ValueError, match="by_velocity requires a momentum"):
        scratch.optim.DeltaBarDelta([param], by_velocity=True)


def quadratic_problem(n: int = 6, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A and b of ½ xᵀAx − bᵀx, with eigenvalues from 1 to n."""
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return Q @ np.diag(np.arange(1.0, n + 1)) @ Q.T, rng.standard_normal(n)


def quadratic_closure(optimizer, x: Tensor, A: np.ndarray, b: np.ndarray, create_graph: bool = False):
    matrix, vector = torch.as_tensor(A), torch.as_tensor(b)

    def closure():
        optimizer.zero_grad()
        loss = 0.5 * x @ matrix @ x - vector @ x
        loss.backward(create_graph=create_graph)
        return loss

    return closure


def test_nesterov_looks_ahead():
    A, b = quadratic_problem()
    x = torch.ones(len(b), dtype=torch.float64, requires_grad=True)
    optimizer = scratch.optim.Nesterov([x], lr=0.05, momentum=0.9)
    closure = quadratic_closure(optimizer, x, A, b)
    theta, v = np.ones(len(b)), np.zeros(len(b))
    for _ in range(STEPS):
        ahead = theta + 0.9 * v
        loss = optimizer.step(closure).item()
        np.testing.assert_allclose(loss, 0.5 * ahead @ A @ ahead - b @ ahead, rtol=1e-10)
        v = 0.9 * v - 0.05 * (A @ ahead - b)
        theta = theta + v
        np.testing.assert_allclose(x.detach().numpy(), theta, rtol=1e-10)


def test_nesterov_leaves_alone_what_has_no_gradient():
    x, y = (torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = scratch.optim.Nesterov([x, y], lr=0.1, momentum=0.9)

    def closure(*used):
        optimizer.zero_grad()
        loss = sum((p * p).sum() for p in used)
        loss.backward()
        return loss

    optimizer.step(lambda: closure(x, y))
    before = y.detach().clone()
    optimizer.step(lambda: closure(x))
    torch.testing.assert_close(y.detach(), before, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("maximize", [False, True])
def test_swats(maximize):
    """Algorithm 1 of the paper, on one long vector; the tolerance is met on the way, and SGD goes on."""
    rng = np.random.default_rng(0)
    params = parameters()
    theta, sign = vector(params), -1 if maximize else 1
    optimizer = scratch.optim.SWATS(params, lr=0.01, betas=(0.9, 0.99), tolerance=0.002, maximize=maximize)
    m = a = v = np.zeros_like(theta)
    projection, rate, switched_at = 0.0, None, None
    for k in range(1, 4 * STEPS):
        g = theta * np.linspace(1, 3, len(theta)) + 0.1 * rng.standard_normal(len(theta))
        assign(params, sign * g)
        optimizer.step()
        if rate is not None:
            v = 0.9 * v + g
            theta = theta - (1 - 0.9) * rate * v
        else:
            m = 0.9 * m + 0.1 * g
            a = 0.99 * a + 0.01 * g**2
            p = -0.01 * m / (1 - 0.9**k) / (np.sqrt(a / (1 - 0.99**k)) + 1e-9)
            theta = theta + p
            if p @ g != 0:
                estimate = p @ p / -(p @ g)
                projection = 0.99 * projection + 0.01 * estimate
                settled = projection / (1 - 0.99**k)
                if k > 1 and abs(settled - estimate) < 0.002 and settled > 0:
                    rate, switched_at = settled, k
        np.testing.assert_allclose(vector(params), theta, rtol=1e-9, atol=1e-12)
    assert switched_at is not None
    assert 1 < switched_at < 3 * STEPS
    np.testing.assert_allclose(optimizer.param_groups[0]["sgd_lr"], rate, rtol=1e-9)


def test_swats_goes_on_from_a_saved_state_and_follows_the_schedule_as_sgd():
    x = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimizer = scratch.optim.SWATS([x], lr=0.1, tolerance=1e9)  # goes over at the second step

    def step(optimizer, x):
        x.grad = 2 * x.detach()
        optimizer.step()

    step(optimizer, x)
    step(optimizer, x)
    assert optimizer.param_groups[0]["sgd_lr"] is not None
    y = x.detach().clone().requires_grad_()
    other = scratch.optim.SWATS([y], lr=0.1)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    before = x.detach().clone()
    for opt, param in ((optimizer, x), (other, y)):
        opt.param_groups[0]["lr"] = 0.05
        step(opt, param)
    torch.testing.assert_close(x, y, rtol=0, atol=0)
    rate = 0.5 * optimizer.param_groups[0]["sgd_lr"]
    torch.testing.assert_close(x.detach(), before - 0.1 * rate * 2 * before, rtol=1e-12, atol=0)


# Closed forms, and SciPy


@pytest.mark.parametrize("maximize", [False, True])
def test_newton_solves_a_quadratic_in_one_step(maximize):
    A, b = quadratic_problem(n=7)
    sign = -1 if maximize else 1
    x = torch.full((7,), 10.0, dtype=torch.float64, requires_grad=True)
    optimizer = scratch.optim.Newton([x], maximize=maximize)
    optimizer.step(quadratic_closure(optimizer, x, sign * A, sign * b, create_graph=True))
    np.testing.assert_allclose(x.detach().numpy(), np.linalg.solve(A, b), rtol=1e-10)
    assert not x.grad.requires_grad


def test_newton_leaves_flat_directions_alone():
    """Of rank 3 of 5: the step is the one of least length, as NumPy's pseudo-inverse gives it."""
    A, _ = quadratic_problem(n=5)
    values, Q = np.linalg.eigh(A)
    A = Q @ np.diag([0, 0, *values[2:]]) @ Q.T
    b = A @ np.ones(5)
    x = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimizer = scratch.optim.Newton([x])
    optimizer.step(quadratic_closure(optimizer, x, A, b, create_graph=True))
    np.testing.assert_allclose(x.detach().numpy(), np.linalg.pinv(A, rcond=1e-12) @ b, atol=1e-11)


def test_newton_on_rosenbrock_and_several_parameters():
    """Against NumPy with the Hessian in closed form."""
    x, y = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (-1.2, 1.0))
    unused = torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer = scratch.optim.Newton([x, unused, y], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = 100 * (y - x**2) ** 2 + (1 - x) ** 2
        loss.backward(create_graph=True)
        return loss

    p = np.array([-1.2, 1.0])
    for _ in range(5):
        optimizer.step(closure)
        u, w = p
        g = np.array([-400 * u * (w - u**2) - 2 * (1 - u), 200 * (w - u**2)])
        H = np.array([[1200 * u**2 - 400 * w + 2, -400 * u], [-400 * u, 200.0]])
        p = p - 0.5 * np.linalg.solve(H, g)
        np.testing.assert_allclose([x.item(), y.item()], p, rtol=1e-10)
    assert unused.tolist() == [1, 1]


@pytest.mark.parametrize("layers", [torch.nn, scratch.nn], ids=["native", "scratch"])
def test_newtons_hessian_of_a_network(layers):
    """Against differences of gradients, with a parameter that is not used and one without numbers. (torch.func.hessian
    is wrong for torch's LayerNorm.)"""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        *(layers.Conv2d(1, 2, 3), layers.Tanh(), layers.AvgPool2d(2), layers.Flatten(), layers.LayerNorm(2)),
        layers.Linear(2, 3),
    ).double()
    x, classes, measure = torch.randn(6, 1, 4, 4).double(), torch.tensor([0, 1, 2, 0, 1, 2]), layers.CrossEntropyLoss()
    params = [*network.parameters()]
    idle = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in [(2,), (0, 3)]]
    optimizer = scratch.optim.Newton([*params, *idle])

    def gradient(create_graph=False):
        optimizer.zero_grad()
        measure(network(x), classes).backward(create_graph=create_graph)
        return optimizer.gradient().detach()

    size, h = sum(p.numel() for p in params) + 2, 1e-6
    gradient(create_graph=True)
    H, differences = optimizer.hessian(), []
    for d in torch.eye(size, dtype=torch.float64):
        sides = []
        for t in (h, -2 * h):  # to θ + h d, then to θ − h d
            with torch.no_grad():
                optimizer.move(t, d)
            sides.append(gradient())
        with torch.no_grad():
            optimizer.move(h, d)
        differences.append((sides[0] - sides[1]) / (2 * h))
    torch.testing.assert_close(H, torch.stack(differences), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 13])
@pytest.mark.parametrize("kind", ["random", "repeated", "diagonal", "zero", "wide"])
def test_eigenvalues(n, kind):
    from scratch.optim.newton import eigen

    rng = np.random.default_rng(n)
    Q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    values = {
        "random": rng.standard_normal(n),
        "repeated": np.where(np.arange(n) % 2, 1.0, -2.0),
        "diagonal": rng.standard_normal(n),
        "zero": np.zeros(n),
        "wide": 10.0 ** np.linspace(-8, 8, n),
    }[kind]
    H = np.diag(values) if kind == "diagonal" else Q @ np.diag(values) @ Q.T
    H = (H + H.T) / 2
    found, V = (part.numpy() for part in eigen(torch.as_tensor(H)))
    size = max(np.abs(values).max(), 1e-300)
    np.testing.assert_allclose(np.sort(found), np.linalg.eigvalsh(H), atol=1e-13 * size)
    np.testing.assert_allclose(V.T @ V, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(V @ np.diag(found) @ V.T, H, atol=1e-13 * size)


def test_newton_says_what_it_needs():
    x = torch.ones(2, requires_grad=True)
    optimizer = scratch.optim.Newton([x])
    with pytest.raises(RuntimeError, match="create_graph=True"):
        optimizer.step(quadratic_closure(optimizer, x, np.eye(2, dtype="f4"), np.ones(2, dtype="f4")))
    z = torch.ones(2, dtype=torch.complex64, requires_grad=True)
    optimizer = scratch.optim.Newton([z])

    def closure():
        optimizer.zero_grad()
        loss = (z * z.conj()).real.sum()
        loss.backward(create_graph=True)
        return loss

    with pytest.raises(RuntimeError, match="complex"):
        optimizer.step(closure)


@pytest.mark.parametrize("n", [2, 5, 9])
def test_conjugate_gradient_solves_a_quadratic_in_n_iterations(n):
    A, b = quadratic_problem(n=n)
    x = torch.full((n,), 3.0, dtype=torch.float64, requires_grad=True)
    exact = {"curvature": 1e-9, "tolerance_grad": 0, "tolerance_change": 0, "max_eval": 1000}
    optimizer = scratch.optim.ConjugateGradient([x], max_iter=n, **exact)
    optimizer.step(quadratic_closure(optimizer, x, A, b))
    np.testing.assert_allclose(x.detach().numpy(), np.linalg.solve(A, b), rtol=1e-7)
    early = torch.full((n,), 3.0, dtype=torch.float64, requires_grad=True)
    optimizer = scratch.optim.ConjugateGradient([early], max_iter=n - 1, **exact)
    optimizer.step(quadratic_closure(optimizer, early, A, b))
    assert np.abs(early.detach().numpy() - np.linalg.solve(A, b)).max() > 1e-4


def test_conjugate_gradient_is_the_linear_one_on_a_quadratic():
    """Every iterate, one iteration a step: the state carries the direction over."""
    A, b = quadratic_problem(n=6)
    x = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimizer = scratch.optim.ConjugateGradient([x], max_iter=1, max_eval=100, curvature=1e-9)
    closure = quadratic_closure(optimizer, x, A, b)
    theta, r = np.zeros(6), b
    d = r
    for _ in range(5):
        alpha = r @ r / (d @ A @ d)
        theta, r_next = theta + alpha * d, r - alpha * A @ d
        d, r = r_next + (r_next @ r_next) / (r @ r) * d, r_next
        optimizer.step(closure)
        np.testing.assert_allclose(x.detach().numpy(), theta, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("maximize", [False, True])
def test_conjugate_gradient_and_scipy_find_the_same_minimum(maximize):
    start = np.array([-1.2, 1.0, 0.8, 0.5])
    expected = scipy.optimize.fmin_cg(
        scipy.optimize.rosen, start, scipy.optimize.rosen_der, gtol=1e-8, maxiter=1000, disp=False
    )
    x = torch.as_tensor(start).requires_grad_()
    optimizer = scratch.optim.ConjugateGradient([x], maximize=maximize)
    sign = -1 if maximize else 1

    def closure():
        optimizer.zero_grad()
        loss = sign * (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        loss.backward()
        return loss

    for _ in range(10):
        optimizer.step(closure)
    np.testing.assert_allclose(x.detach().numpy(), expected, atol=1e-6)


def test_lbfgs_and_scipy_find_the_same_minimum():
    start = np.array([-1.2, 1.0, 0.8, 0.5])
    expected = scipy.optimize.minimize(
        scipy.optimize.rosen, start, jac=scipy.optimize.rosen_der, method="L-BFGS-B", options={"gtol": 1e-10}
    ).x
    x = torch.as_tensor(start).requires_grad_()
    optimizer = scratch.optim.LBFGS([x], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    np.testing.assert_allclose(x.detach().numpy(), expected, atol=1e-5)


def test_a_line_search_ends_where_the_wolfe_conditions_hold():
    from scratch.optim.line_search import Trial, strong_wolfe

    def phi(t: float) -> Trial:
        f = np.exp(-t) + 0.3 * np.sin(3 * t) + 0.05 * t**2  # several minima
        slope = -np.exp(-t) + 0.9 * np.cos(3 * t) + 0.1 * t
        return Trial(t, float(f), torch.zeros(1), float(slope))

    for first in (1e-4, 0.01, 0.6, 3.0, 50.0):
        for c2 in (0.9, 0.1):
            start = phi(0.7)
            start = start._replace(t=0.0)
            found, _ = strong_wolfe(lambda t: phi(0.7 + t)._replace(t=t), start, first, c2=c2)
            assert found.f <= start.f + 1e-4 * found.t * start.slope
            assert abs(found.slope) <= -c2 * start.slope


PRIMITIVE = [(name, {}) for name in ("AdaBound", "DeltaBarDelta", "SWATS", "Nesterov", "Newton", "ConjugateGradient")]
PRIMITIVE += [("Adam", {"monotone": True}), ("DeltaBarDelta", {"momentum": 0.9, "by_velocity": True})]


@pytest.mark.parametrize(("name", "options"), PRIMITIVE)
def test_from_primitive_operations(name, options):
    A, b = quadratic_problem()
    x = torch.ones(len(b), dtype=torch.float64, requires_grad=True)
    optimizer = getattr(scratch.optim, name)([x], lr=0.1, **options)
    closure = quadratic_closure(optimizer, x, A, b, create_graph=name == "Newton")
    with Audit():
        for _ in range(4):
            optimizer.step(closure)


# State, and arguments


OURS = [  # options of our own, of optimizers that torch has
    ("SGD", {"momentum": 0.9, "moving_average": True}),
    ("Adam", {"bias_correction": False}),
    ("Adam", {"monotone": True}),
    ("RMSprop", {"eps_inside_root": True}),
    ("Adagrad", {"eps_inside_root": True}),
]
RULES = [
    ("AdaBound", {"amsbound": True}),
    ("DeltaBarDelta", {"momentum": 0.9}),
    ("DeltaBarDelta", {"momentum": 0.9, "by_velocity": True}),
    ("SWATS", {}),
    *OURS,
]


@pytest.mark.parametrize(("name", "options"), RULES)
def test_a_saved_state_goes_on_as_if_nothing_had_been(name, options):
    make = getattr(scratch.optim, name)
    first, second = parameters(), parameters(seed=9)
    optimizer = make(first, lr=0.1, **options)
    gradients = random_gradients(len(vector(first)))
    for gradient in gradients[:10]:
        assign(first, gradient)
        optimizer.step()
    other = make(second, lr=0.1, **options)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    with torch.no_grad():
        for param, value in zip(second, first, strict=True):
            param.copy_(value)
    for gradient in gradients[10:]:
        for params, opt in ((first, optimizer), (second, other)):
            assign(params, gradient)
            opt.step()
    np.testing.assert_array_equal(vector(first), vector(second))


@pytest.mark.parametrize(("name", "options"), OURS)
def test_an_option_of_ours_survives_a_state_saved_by_torch(name, options):
    params = parameters()
    optimizer = getattr(scratch.optim, name)(params, **options)
    plain = {key: value for key, value in options.items() if key == "momentum"}
    optimizer.load_state_dict(getattr(torch.optim, name)(params, **plain).state_dict())
    (ours,) = set(options) - {"momentum"}
    assert optimizer.param_groups[0][ours] == options[ours]


COMPLEX = [(name, {}) for name in ("AdaBound", "DeltaBarDelta", "SWATS", "Nesterov")]
COMPLEX += [("Adam", {"monotone": True}), ("DeltaBarDelta", {"momentum": 0.9, "by_velocity": True})]


@pytest.mark.parametrize(("name", "options"), COMPLEX)
def test_complex_parameters_are_pairs_of_real_ones(name, options):
    z = torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128, requires_grad=True)
    x = torch.view_as_real(z.detach()).clone().requires_grad_()
    make = getattr(scratch.optim, name)
    pair = make([z], lr=0.1, **options), make([x], lr=0.1, **options)
    for gradient in torch.randn(10, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)):

        def closure(gradient=gradient):
            z.grad, x.grad = torch.view_as_complex(gradient.clone()), gradient.clone()
            return torch.zeros(())

        for optimizer in pair:
            closure()
            optimizer.step(closure)
    torch.testing.assert_close(torch.view_as_real(z.detach()), x.detach(), rtol=1e-13, atol=0)


BAD = [
    *((name, {"lr": -1.0}) for name in ("AdaBound", "DeltaBarDelta", "SWATS", "Nesterov", "Newton")),
    ("ConjugateGradient", {"lr": -1.0}),
    ("ConjugateGradient", {"curvature": 1.0}),
    ("Newton", {"cutoff": -1.0}),
    ("Nesterov", {"momentum": -0.1}),
    ("AdaBound", {"gamma": 0.0}),
    ("AdaBound", {"final_lr": -0.1}),
    ("AdaBound", {"betas": (1.0, 0.9)}),
    ("SWATS", {"tolerance": -1.0}),
    ("SWATS", {"betas": (0.9, 1.0)}),
    ("DeltaBarDelta", {"down": 1.0}),
    ("DeltaBarDelta", {"up": -1.0}),
    ("DeltaBarDelta", {"gains": (2.0, 1.0)}),
]


@pytest.mark.parametrize(("name", "options"), BAD)
def test_impossible_arguments(name, options):
    with pytest.raises(ValueError, match=r"^Invalid"):
        getattr(scratch.optim, name)(parameters(), **options)


@pytest.mark.parametrize("name", ["Newton", "ConjugateGradient"])
def test_one_vector_means_one_group(name):
    with pytest.raises(ValueError, match="parameter groups"):
        getattr(scratch.optim, name)([{"params": [param]} for param in parameters()])


def test_a_switch_that_cannot_be_honoured_says_so():
    with pytest.raises(RuntimeError, match="capturable=True"):
        scratch.optim.Adam(parameters(), capturable=True)
