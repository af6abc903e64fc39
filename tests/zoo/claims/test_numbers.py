"""What the experiments measure, against computations that share nothing with them: closed forms and NumPy."""

from itertools import product

import numpy as np
import pytest
import torch

from zoo.claims import (
    bias,
    conv_facts,
    global_optimum,
    keras_lenet,
    l1_zeros,
    loss_from_gradient,
    max_in_v,
    memory,
    momentum_ravine,
    newton,
    nonlinearity,
    order,
    outliers,
    own_momentum,
    rate_falls,
    rprop_nine_one,
    saddle,
    sigmoid_wb,
    unbiased,
    vanish_depth,
    xor,
)
from zoo.claims.workbench import Implementation, accuracy, batches, begin, digits, perceptron

pytestmark = pytest.mark.usefixtures("one_thread")
impl = Implementation()


def test_gradients_shrink_by_the_slope_and_the_size_of_the_weights():
    """δ of a layer is that of the next by the weights, whose deviation is 1/√(3·64) by default and √(2/64) as He has
    it, times a slope that is 1 or 0 alike for ReLU, and at most 1/4 for sigmoid."""
    found = vanish_depth.run(impl, 0, depths=(20,))
    gains = {"default": (1 / 6) ** 0.5, "He": 1.0, "Xavier": 0.5**0.5}
    for start, gain in gains.items():
        assert found[f"ReLU {start}"] ** (1 / 19) == pytest.approx(gain, rel=0.1)
        assert found[f"Sigmoid {start}"] < (0.25 * 6**0.5 * gain) ** 19 * 10


def steps_by_numpy(gradient, start, arrived, lr, momentum=0.0, nesterov=False, moving_average=False, most=1000):
    """The points of SGD as torch's documentation writes it, and its moving average."""
    point, velocity = np.array(start), np.zeros(2)
    points = [point]
    while len(points) <= most and not arrived(point):
        g = gradient(point)
        velocity = momentum * velocity + (1 - momentum if moving_average else 1) * g
        point = point - lr * (g + momentum * velocity if nesterov else velocity)
        points.append(point)
    return np.array(points)


@pytest.mark.parametrize("form", saddle.FORMS)
def test_steps_from_the_saddle(form):
    points = steps_by_numpy(
        lambda p: np.array([2 * p[0], -2 * p[1] + 2 * p[1] ** 3]),
        (-1.0, 1e-4), lambda p: abs(p[1]) > 0.5, **saddle.FORMS[form],
    )  # fmt: skip
    path = saddle.descend(impl, 1e-4, saddle.FORMS[form], 1000)
    np.testing.assert_allclose(path, np.abs(points[:, 1]), rtol=1e-9)


@pytest.mark.parametrize("form", momentum_ravine.FORMS)
def test_steps_in_the_ravine(form):
    scales = np.array([1.0, momentum_ravine.STEEP])
    points = steps_by_numpy(
        lambda p: scales * p, momentum_ravine.START, lambda p: 0.5 * scales @ p**2 < 1e-4, 0.005,
        **momentum_ravine.FORMS[form],
    )  # fmt: skip
    path = momentum_ravine.path(impl, 0.005, momentum_ravine.FORMS[form], 1000)
    np.testing.assert_allclose(path, points, rtol=1e-9, atol=1e-15)
    assert momentum_ravine.arrival(path) == len(points) - 1
    assert momentum_ravine.turns(path) == (np.diff(np.sign(points[:, 1])) != 0).sum()


def test_the_maximum_inside_v():
    """v of unit noise by NumPy, and x of the counterexample."""
    begin(0)
    noise = torch.stack([torch.randn(3, dtype=torch.float64) for _ in range(200)]).numpy()
    for name, options in max_in_v.RULES.items():
        v = top = np.zeros(3)
        for g in noise:
            new = 0.999 * v + 0.001 * g**2
            v = np.maximum(new, v) if name == "inside" else new
            top = np.maximum(top, v)
        found = max_in_v.noise(impl, options, 0, 200, 3, 0.999)[-1]
        assert found == pytest.approx((top if name == "AMSGrad" else v).mean() / (1 - 0.999 ** len(noise)), rel=1e-9)
        x = v = top = 0.0
        for t in range(1, 31):
            g = 3.0 if t % 3 == 1 else -1.0
            new = 0.1 * v + 0.9 * g**2
            v = max(new, v) if name == "inside" else new
            top = max(top, v)
            used = top if name == "AMSGrad" else v
            x = min(1, max(-1, x - 0.5 / t**0.5 * g / ((used / (1 - 0.1**t)) ** 0.5 + 1e-8)))
        assert max_in_v.counterexample(impl, options, 30)[-1] == pytest.approx(x, rel=1e-9)


def test_rises():
    v = torch.tensor([[4.0] * 301, [1.0] * 301, [1.0] * 301, [9.0] * 301], dtype=torch.float64)
    share, curve = rate_falls.rises(v)
    assert share == pytest.approx(1 / 3)
    assert curve == pytest.approx([1 / 2, 1, 1, 1 / 3])


def test_rprop_by_numpy():
    w, size, before = 0.0, 0.01, 0.0
    path = [w]
    for g in rprop_nine_one.ROUND * 30:
        size = np.clip(size * {1: 1.2, -1: 0.5, 0: 1}[int(np.sign(g * before))], 1e-6, 50)
        before = 0.0 if g * before < 0 else g
        w -= size * np.sign(before)
        path.append(w)
    found = rprop_nine_one.run(impl, 0)
    np.testing.assert_allclose(found["paths"]["Rprop, as in the notes"], path, rtol=1e-9)
    assert found["SGD, as in the notes"] < 1e-12
    assert rprop_nine_one.drift([0.0, 3.0, 2.0]) == pytest.approx(0.5)


def test_own_momentum_by_hand():
    w = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    optimizer = own_momentum.OwnMomentum([w], 0.1, signed=False, keep=1.0)
    velocity, at = 0.0, 2.0
    for _ in range(5):
        w.grad = w.detach().clone()
        optimizer.step()
        velocity -= 0.1 * (1 + 1 / abs(at))
        at += velocity
        assert w.item() == pytest.approx(at)


def test_newton_and_the_pseudo_inverse_of_numpy():
    start = torch.tensor([-1.5, 1.0], dtype=torch.float64)
    row = newton.TURN[0].numpy()
    H, g = np.outer(row, row), row * (row @ start.numpy() - 2)
    expected = start.numpy() - np.linalg.pinv(H) @ g
    np.testing.assert_allclose(newton.newton(impl, newton.trough, start), expected, atol=1e-12)


def test_variance_of_batches():
    """Drawn with replacement, of b examples it is that of one, which is known from all of them, over b."""
    begin(0)
    network = perceptron(impl.nn, [64, 32, 10])
    data, criterion = digits().first(300), impl.nn.CrossEntropyLoss()
    each = []
    for x, y in zip(data.x, data.y, strict=True):
        gradients = torch.autograd.grad(criterion(network(x[None]), y[None]), list(network.parameters()))
        each.append(torch.cat([gradient.flatten() for gradient in gradients]).double())
    one = torch.stack(each).var(0, unbiased=False).sum().item()
    for size in (1, 16):
        bias_found, variance = unbiased.spread(impl, network, size, 300)
        assert variance == pytest.approx(one / size, rel=0.15)
        assert 0.2 < bias_found < 3


@pytest.mark.parametrize("padding", [0, 1])
def test_windows_of_a_pixel(padding):
    counts = np.zeros((7 + 2 * padding,) * 2)
    for i, j in product(range(5 + 2 * padding), repeat=2):
        counts[i : i + 3, j : j + 3] += 1
    inside = slice(padding, 7 + padding)
    np.testing.assert_array_equal(conv_facts.windows(impl, padding), counts[inside, inside])


def test_facts_of_convolution():
    found = conv_facts.sizes(impl, 5)
    cases = [
        (n, k, p, s, d)
        for n, k, p, s, d in product(range(1, 6), range(1, 5), range(3), range(1, 5), (1, 2, 3))
        if n + 2 * p >= d * (k - 1) + 1 and (d == 1 or k > 1)
    ]
    true = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, p, s, d in cases]
    written = [(n - k + 2 * p) / s + 1 for n, k, p, s, _ in cases]
    assert found["cases"] == len(cases)
    assert found["wrong as written"] == sum(a != b for a, b in zip(true, written, strict=True))
    assert found["wrong rounded down"] == 0
    assert [conv_facts.field(impl, depth) for depth in (1, 2, 3)] == [3, 5, 7]
    costs = conv_facts.costs(impl)
    assert costs["weights, convolution"] == 156  # LeCun et al. (1998), C1
    assert costs["multiplications, convolution"] == 25 * 6 * 28 * 28
    assert costs["multiplications, dense"] == 1024 * 6 * 28 * 28


def test_sigmoid_in_closed_form():
    found = sigmoid_wb.run(impl, 0)
    assert found["moved by w, at b = 2"] == pytest.approx(2 / 0.5 - 2 / 5)
    x = np.linspace(-8, 8, 1601)[::20]
    np.testing.assert_allclose(found["curves"]["2 -2"], 1 / (1 + np.exp(-(2 * x - 2))), rtol=1e-10)


def test_boundaries_without_bias():
    found = bias.run(impl, 0, steps=20)
    assert found["aside, without bias: distance"] == 0
    w1, w2, b = found["boundaries"]["aside, with bias"]
    assert found["aside, with bias: distance"] == pytest.approx(abs(b) / np.hypot(w1, w2), rel=1e-6)


def test_layers_without_activation_are_one():
    begin(0)
    network = perceptron(impl.nn, [2, 5, 5, 2], "Identity")
    weight, offset = nonlinearity.collapsed(network)
    x = torch.randn(7, 2)
    torch.testing.assert_close(network(x), x @ weight.T + offset, rtol=1e-5, atol=1e-6)


def test_proximal_steps_by_numpy():
    """The weights of every zero, by softmax regression and soft thresholds in NumPy."""
    found = l1_zeros.run(impl, 0, steps=30)
    data = digits().first(500)
    x, y = data.x.double().numpy(), np.eye(10)[data.y]
    begin(0)
    layer = impl.nn.Linear(64, 10)
    W, b = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    for _ in range(30):
        z = x @ W.T + b
        p = np.exp(z - z.max(1, keepdims=True))
        delta = (p / p.sum(1, keepdims=True) - y) / len(x)
        W, b = W - 0.5 * delta.T @ x, b - 0.5 * delta.sum(0)
        W = np.sign(W) * np.maximum(np.abs(W) - 0.0015, 0)
    assert found["L1 by proximal steps: share of zeros"] == pytest.approx((W == 0).mean(), abs=0.005)
    np.testing.assert_allclose(found["weights"]["L1 by proximal steps"], W.ravel(), atol=1e-4)


def test_lines_through_outliers():
    found = outliers.run(impl, 0, steps=300)
    slope, intercept = np.polyfit(*found["points"], 1)
    np.testing.assert_allclose(found["lines"]["MSELoss"], [slope, intercept], rtol=1e-3)
    assert outliers.rise([2.0, 6.0, 1.0]) == 3
    assert outliers.rise([2.0, float("nan")]) == np.inf


def test_integrals():
    z = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    found = loss_from_gradient.integral(z.sigmoid(), z[:, None])
    np.testing.assert_allclose(found, np.logaddexp(0, z.numpy()) - np.logaddexp(0, -6), atol=1e-6)
    ring = loss_from_gradient.smooth(4001, closed=True)
    np.testing.assert_allclose(ring[0], ring[-1], atol=1e-12)
    assert loss_from_gradient.symbolic() < 1e-12


def test_xor_side_by_side_is_each_alone():
    """The grouped convolution is 30 networks: the loss of the first, by NumPy from its own weights."""
    begin(0)
    hidden, output = impl.nn.Conv1d(60, 60, 1, groups=30), impl.nn.Conv1d(60, 30, 1, groups=30)
    W, b = hidden.weight[:2, :, 0].detach().numpy(), hidden.bias[:2].detach().numpy()
    v, c = output.weight[0, :, 0].detach().numpy(), output.bias[0].item()
    x = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    z = np.tanh(x @ W.T + b) @ v + c
    expected = np.mean(np.logaddexp(0, z) - z * np.array([0, 1, 1, 0]))
    losses, _ = global_optimum.xor(impl, 0, 1)
    first = losses[0].item()
    assert first < expected  # after one step
    assert first == pytest.approx(expected, rel=0.1)


def test_order_of_words():
    """Without positions and mask an attention map of the turned sentence is the first one, turned."""
    found = order.run(impl, 0)
    first, second = (np.array(each) for each in found["maps"][order.name_of(False, False)])
    np.testing.assert_allclose(second, first[::-1, ::-1], atol=1e-6)
    for maps in found["maps"].values():
        np.testing.assert_allclose(np.sum(maps, -1), 1, atol=1e-5)


def test_gates_that_are_one():
    """003's LSTM, step by step in NumPy."""
    begin(0)
    cell = memory.Literal(impl.nn).double()
    W, b = (parameter.detach().numpy() for parameter in cell.parameters())
    x = torch.randn(2, 5, memory.UNITS, dtype=torch.float64)
    a = h = np.zeros((2, memory.UNITS))
    for now in x.numpy().transpose(1, 0, 2):
        gate = 1 / (1 + np.exp(-((h + now) @ W.T + b)))
        a = gate * a + gate * np.tanh(h + now)
        h = gate * np.tanh(a)
    np.testing.assert_allclose(cell(x)[0][:, -1].detach(), h, rtol=1e-10)


def test_the_notes_lenet():
    network = keras_lenet.lenet(impl.nn)
    assert sum(parameter.numel() for parameter in network.parameters()) == 44426  # as Keras counts it
    x, y, source = keras_lenet.pictures("", 100)
    assert source == "digits"
    assert x.shape == (100, 1, 28, 28)
    assert x.max() > 200
    assert network(x).shape == (100, 10)
    assert len(y) == 100


def test_spirals_are_two_arms():
    x, y = xor.spirals()
    torch.testing.assert_close(x[y == 0], -x[y == 1])


# The workbench


def test_batches_are_all_of_the_examples_in_every_pass():
    order = batches(10, 4)
    passes = [torch.cat([next(order) for _ in range(3)]) for _ in range(2)]
    for one in passes:
        assert sorted(one.tolist()) == list(range(10))
    assert passes[0].tolist() != passes[1].tolist()


def test_accuracy_is_measured_without_dropout():
    nn = impl.nn
    network = torch.nn.Sequential(nn.Dropout(1.0), nn.Linear(64, 10))
    data = digits()
    right = (network[1](data.test_x).argmax(1) == data.test_y).double().mean().item()
    assert accuracy(network, data.test_x, data.test_y) == right
    assert network.training


def test_what_torch_lacks_is_borrowed():
    native = Implementation("zoo.layers", "torch.optim")
    param = [torch.ones(2, requires_grad=True)]
    assert type(native.optimizer("SGD", param, lr=0.1)).__module__.startswith("torch.")
    assert not native.borrowed
    assert type(native.optimizer("SGD", param, lr=0.1, moving_average=True)).__module__ == "scratch.optim.sgd"
    assert type(native.optimizer("Newton", param)).__module__ == "scratch.optim.newton"
    assert native.borrowed == {"SGD", "Newton"}
