"""HIPS autograd: gradients of plain NumPy, operation by operation."""

from itertools import product

import torch
from autograd import grad as gradient
from autograd import numpy as np
from threadpoolctl import threadpool_limits


def layer_norm(x, weight, bias):
    x = x - np.mean(x, -1, keepdims=True)
    return x / np.sqrt(np.mean(x**2, -1, keepdims=True) + 1e-5) * weight + bias


def attention(q, k, v):
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) / q.shape[-1] ** 0.5
    p = np.exp(scores - np.max(scores, -1, keepdims=True))
    return np.matmul(p / np.sum(p, -1, keepdims=True), v)


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def lstm(x, W, U, b, d):
    h = c = np.zeros((x.shape[1], U.shape[1]), x.dtype)
    outputs = []
    for from_x in np.dot(x, W.T) + b + d:
        i, f, g, o = np.split(from_x + np.dot(h, U.T), 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


def lenet(x, labels, *parameters):
    """The loss of LeNet-5 with tanh and average pooling."""
    W1, b1, W3, b3, W5, b5, W6, b6, W7, b7 = parameters

    def conv(x, W, b):
        height, width = x.shape[2] - 4, x.shape[3] - 4
        windows = [x[:, :, i : i + height, j : j + width] for i, j in product(range(5), range(5))]
        columns = np.reshape(np.stack(windows, 2), (len(x), -1, height * width))
        return np.reshape(np.matmul(np.reshape(W, (len(W), -1)), columns) + b[:, None], (len(x), -1, height, width))

    def pool(x):
        return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4

    border = (32 - x.shape[-1]) // 2
    x = pool(np.tanh(conv(np.pad(x, ((0, 0), (0, 0), (border, border), (border, border))), W1, b1)))
    x = pool(np.tanh(conv(x, W3, b3)))
    x = np.tanh(conv(x, W5, b5))[:, :, 0, 0]
    x = np.tanh(np.dot(x, W6.T) + b6)
    z = np.dot(x, W7.T) + b7
    z = z - np.max(z, 1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z), 1)) - z[np.arange(len(z)), labels])


def adam(p, grad, m, v, t):
    m[:], v[:] = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad**2
    p -= 0.001 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def arrays(tensors):
    threadpool_limits(torch.get_num_threads())
    return [tensor.detach().numpy().copy() for tensor in tensors]


def both_ways(function):
    def build(tensors, grad):
        inputs, y_bar = arrays(tensors), grad.numpy()
        run = gradient(lambda inputs: np.sum(function(*inputs) * y_bar))
        return lambda: run(inputs)

    return build


def training_step(loss):
    def build(tensors):
        x, labels, *parameters = arrays(tensors)
        moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
        run = gradient(lambda parameters: loss(x, labels, *parameters))
        t = 0

        def task():
            nonlocal t
            t += 1
            grads = run(parameters)
            for p, grad, (m, v) in zip(parameters, grads, moments, strict=True):
                adam(p, grad, m, v, t)
            return grads

        return task

    return build


TASKS = {
    "LayerNorm": both_ways(layer_norm),
    "scaled_dot_product_attention": both_ways(attention),
    "LSTM": both_ways(lstm),
    "LeNet": training_step(lenet),
}
