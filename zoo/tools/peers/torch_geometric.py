"""PyTorch Geometric's own graph convolution."""

from torch import nn
from torch_geometric.nn import GCNConv


def graph_convolution(tensors, grad):
    x, edges, weight, bias = tensors
    layer = GCNConv(weight.shape[1], weight.shape[0], cached=True)  # keeps the normalised graph
    layer.lin.weight, layer.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
    leaves = [x.detach().requires_grad_(), layer.lin.weight, layer.bias]

    def task():
        for leaf in leaves:
            leaf.grad = None
        layer(leaves[0], edges).backward(grad)
        return [leaf.grad for leaf in leaves]

    return task


TASKS = {"GCNConv": graph_convolution}
