"""The table of PyTorch's errors as a page: python -m scratch.testing.torch_errors_page > docs/torch-errors.md"""

import inspect
import math

import torch
from torch import Tensor

from scratch.testing.torch_errors import SEEN, TORCH_ERRORS, TorchError

HEAD = """# Where PyTorch is wrong

Calls whose right value is known without PyTorch: by a closed form, by sixty digits (mpmath), by finite differences of
the function itself, or by counting. `scratch` gives the right value, unless it says why not; tests hold it to that, and
tell when PyTorch has mended one. Seen on a CPU; the page is made by `python -m scratch.testing.torch_errors_page`, with
torch {version}, {date}. Below, `nn` is `torch.nn` and `slope` the derivative by autograd.

| | {versions} |
| --- | {lines} |
{rows}
"""


def number(tensor: Tensor) -> str:
    values = tensor.double().flatten().tolist()
    shown = ", ".join("NaN" if math.isnan(value) else f"{value:.9g}" for value in values[:4])
    return shown + (", …" if len(values) > 4 else "")


def found(error: TorchError) -> str:
    try:
        return number(error.found(torch.nn))
    except (RuntimeError, NotImplementedError) as refused:
        return f"{type(refused).__name__}: {str(refused).splitlines()[0]}"


def entry(error: TorchError) -> str:
    code = inspect.getsource(error.found).replace("(nn: Any) -> Tensor", "(nn)")
    followed = f"`scratch` follows: {error.followed}.\n\n" if error.followed else ""
    numbers = f"PyTorch: {found(error)}\n\nright: {number(error.truth())}\n\n"
    return f"## {error.what}\n\n{numbers}{followed}```python\n{code}```\n"


def page(date: str) -> str:
    versions = [*SEEN, *sorted({error.mended for error in TORCH_ERRORS} - {""})]
    marks = [["right" if 0 < versions.index(e.mended or SEEN[0]) <= i else "wrong" for i in range(len(versions))]
             for e in TORCH_ERRORS]  # fmt: skip
    head = HEAD.format(
        version=torch.__version__.partition("+")[0],
        date=date,
        versions=" | ".join(versions),
        lines=" | ".join("---" for _ in versions),
        rows="\n".join(f"| {e.what} | {' | '.join(m)} |" for e, m in zip(TORCH_ERRORS, marks, strict=True)),
    )
    return "\n".join([head, *map(entry, TORCH_ERRORS)])


if __name__ == "__main__":
    import datetime

    print(page(datetime.date.today().isoformat()), end="")
