"""Running statistics under torch.func: they follow as torch's do, also where they are captured and not given."""

import pytest
import torch
import torch.nn.functional as native
from torch import Tensor
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.utils._pytree import tree_leaves

from scratch.nn import functional as scratch

X = torch.randn(2, 4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

TRANSFORMS = {
    "grad, captured": lambda f, mean, var: grad(lambda x: f(x, mean[0], var[0]).sum())(X[0]),
    "jvp, captured": lambda f, mean, var: jvp(lambda x: f(x, mean[0], var[0]), (X[0],), (X[1],)),
    "hessian, captured": lambda f, mean, var: hessian(lambda x: f(x, mean[0], var[0]).sum())(X[0]),
    "jacfwd of jacrev, captured": lambda f, mean, var: jacfwd(jacrev(lambda x: f(x, mean[0], var[0]).sum()))(X[0]),
    "vmap": lambda f, mean, var: vmap(f)(X, mean, var),
    "vmap of grad": lambda f, mean, var: vmap(grad(lambda *given: f(*given).sum()))(X, mean, var),
    "vmap of grad, captured": lambda f, mean, var: vmap(lambda x, m, v: grad(lambda x: f(x, m, v).sum())(x))(
        X, mean, var
    ),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_under(name: str, transform: str) -> None:
    found: list[list[Tensor]] = []
    for namespace in (native, scratch):
        norm = getattr(namespace, name)
        training = {"training": True} if name == "batch_norm" else {"use_input_stats": True}
        mean, var = torch.zeros(2, 3, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
        given = TRANSFORMS[transform](
            lambda x, mean, var, norm=norm, training=training: norm(x, mean, var, **training).sin(), mean, var
        )
        found.append([*tree_leaves(given), mean, var])
    assert not torch.equal(found[0][-1], torch.ones(2, 3, dtype=torch.float64))  # they moved
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
