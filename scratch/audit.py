"""What "from scratch" means, checked, and what a model computes otherwise, listed.

    with Audit("their.package"):                        # an operation that is not primitive is refused
        loss = model(batch)
        loss.backward()
        optimizer.step()

    for line in audit(model, images):                   # where the model asks torch for a layer, and for which
        print(line)

PyTorch shows each operation to the audit below autograd, so that a native layer is seen in the forward pass and
its derivative in the backward pass, whoever calls them. Linear maps are primitive (a native Linear is an addmm
there); any kernel whose name says a layer, a loss, an activation beyond tanh and sigmoid, a backward or a fused
optimizer step is not. A package that calls an operator which is primitive but for its name says so in a function
``primitive(operator, args) -> bool`` of its root, as `scratch.primitive` does.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scratch.convert import by_hand, functions

# ATen's names, without overload and without the underscore of an in-place form; _foreach_add counts as add.
_GROUPS = (
    # arithmetic
    """add sub rsub mul div neg reciprocal abs sign sgn pow sqrt rsqrt square addcmul addcdiv lerp remainder fmod
    floor_divide floor ceil round trunc frac maximum minimum fmax fmin clamp clamp_min clamp_max nan_to_num
    copysign hypot""",
    # elementary functions
    """exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh
    sigmoid erf erfc erfinv""",
    # comparisons, logic, bits
    """eq ne lt le gt ge isnan isinf isfinite signbit where logical_and logical_or logical_xor logical_not
    bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift equal""",
    # complex numbers
    """complex real imag angle _conj _conj_physical conj_physical resolve_conj view_as_real view_as_complex""",
    # products, einsum included; sparse times dense
    """mm bmm mv dot vdot addmm addbmm baddbmm addmv addr _sparse_mm _sparse_addmm sparse_sampled_addmm""",
    # reductions
    """sum nansum mean prod amax amin aminmax max min argmax argmin any all count_nonzero cumsum cumprod cummax
    cummin linalg_vector_norm norm trace bincount""",
    # order
    """sort topk kthvalue _unique _unique2 unique_dim unique_consecutive unique_dim_consecutive searchsorted
    bucketize""",
    # reading and writing at places
    """index index_put _index_put_impl _unsafe_index _unsafe_index_put index_select index_add index_copy index_fill
    index_reduce gather scatter scatter_add scatter_reduce masked_fill masked_scatter masked_select take put
    nonzero select_scatter slice_scatter diagonal_scatter as_strided_scatter""",
    # joining and rearranging; padding by copy
    """cat stack repeat repeat_interleave tril triu roll flip rot90 diag_embed constant_pad_nd""",
    # views, and the transposes of two that autograd itself writes down when code slices outside a Function
    """view _unsafe_view _reshape_alias expand permute transpose t squeeze unsqueeze select slice split
    split_with_sizes unsafe_split unsafe_split_with_sizes unbind unfold as_strided alias detach diagonal lift
    lift_fresh select_backward slice_backward""",
    # copies, reading out, and questions about a tensor
    """clone copy _to_copy fill zero set resize _local_scalar_dense promote_types result_type can_cast is_same_size
    is_pinned""",
    # new tensors
    """empty empty_like empty_strided zeros zeros_like ones ones_like full full_like new_empty new_empty_strided
    new_zeros new_ones new_full arange linspace eye scalar_tensor tril_indices triu_indices""",
    # random numbers
    """rand rand_like randn randn_like randint randint_like randperm normal uniform bernoulli exponential random
    multinomial""",
    # sparse tensors, made and taken apart
    """sparse_coo_tensor _sparse_coo_tensor_unsafe _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors
    _validate_sparse_coo_tensor_args _coalesce _coalesced is_coalesced _indices _values indices values sparse_dim
    dense_dim _nnz sparse_mask _to_sparse _to_dense _to_sparse_csr _sparse_compressed_tensor_unsafe
    _validate_sparse_csr_tensor_args _validate_sparse_compressed_tensor_args crow_indices col_indices ccol_indices
    row_indices sparse_compressed_tensor""",
)
PRIMITIVES = frozenset(name for group in _GROUPS for name in group.split())

MARK = "scratch.audit"  # under which a node of autograd's graph knows its place in the code


class Impure(AssertionError):
    """Somebody computed with an operation that is not primitive."""


class Audit(TorchDispatchMode):
    """A context in which only primitive operations run, and what a package declares to be one; ``also`` allows more
    of them by name."""

    def __init__(self, package: Any = None, also: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.allowed = PRIMITIVES | also
        name = package if isinstance(package, str) else getattr(package, "__name__", "")
        root = sys.modules.get(name.partition(".")[0])
        self.declared = getattr(root, "primitive", None) or (lambda operator, args: False)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        namespace, name = func._schema.name.split("::")
        bare = name.removeprefix("_foreach_").removesuffix("_")
        known = namespace in ("prim", "profiler") or bare in self.allowed
        if not known and not self.declared(func, args):
            self.found(name)
        return func(*args, **(kwargs or {}))

    def found(self, name: str) -> None:
        raise Impure(f"{name} is not a primitive operation")


def audit(model: Callable[..., Any], *args: Any, **kwargs: Any) -> list[str]:
    """What the call ``model(*args, **kwargs)`` and its backward pass leave to torch: a line for each place in the
    code, with the module it works for, the functions that have a counterpart in scratch.nn.functional, and the kernels
    that are not primitive. Where nothing is left the list is empty.

    `convert` exchanges the layers, `by_hand` the functions; under ``with by_hand():`` what it exchanges is not listed.
    The model runs as it is, in training or not; its buffers, its gradients and the random numbers are as before.
    """
    observer = Observer(model)
    buffers = list(model.buffers()) if isinstance(model, Module) else []
    before = [buffer.clone() for buffer in buffers]
    with torch.random.fork_rng(), torch.enable_grad(), observer, Kernels(observer):
        outputs = [t for t in tensors(model(*args, **kwargs)) if t.requires_grad]
        nodes = [torch.autograd.graph.get_gradient_edge(t).node for t in outputs]
        leaves = [node.variable for node in ancestors(nodes) if hasattr(node, "variable")]
        if leaves:
            torch.autograd.grad(outputs, leaves, [torch.ones_like(t) for t in outputs], allow_unused=True)
    with torch.no_grad():
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
    return [f"{place}: {', '.join(names)}" for place, names in observer.lines.items()]


class Observer(TorchFunctionMode):
    """Notes which functions of torch are called where, and marks what they leave in autograd's graph with the place."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.names = {child: name for name, child in model.named_modules()} if isinstance(model, Module) else {}
        self.running: list[Module] = []
        self.lines: dict[str, dict[str, None]] = {}

    def __enter__(self) -> Any:
        self.handles = [
            register_module_forward_pre_hook(self.entered),
            register_module_forward_hook(self.left, always_call=True),
        ]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self.handles:
            handle.remove()

    def entered(self, module: Module, args: Any) -> None:
        self.running.append(module)

    def left(self, module: Module, args: Any, output: Any) -> None:
        self.running.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        ours, where = self.place()
        exchanged = any(isinstance(mode, by_hand) for mode in _get_current_function_mode_stack())
        if not ours and not exchanged and func in functions():
            self.note(where, resolve_name(func))
        result = func(*args, **(kwargs or {}))
        for node in ancestors([t.grad_fn for t in tensors(result)], unmarked=True):
            node.metadata[MARK] = where
        return result

    def place(self) -> tuple[bool, str]:
        """Whether it is scratch that calls torch now; and from where, in words."""
        frame: Any = sys._getframe(1)
        while frame.f_back and module_of(frame).startswith(
            ("torch.", "contextlib", "scratch.audit", "scratch.convert")
        ):
            frame = frame.f_back
        code = Path(frame.f_code.co_filename)
        where = f"{code.parent.name}/{code.name}:{frame.f_lineno}"
        if self.running:
            module = self.running[-1]
            where = f"{self.names.get(module, '')} ({type(module).__name__}), {where}".lstrip()
        return module_of(frame).startswith("scratch."), where

    def note(self, where: str, what: str) -> None:
        self.lines.setdefault(where, {})[what] = None


class Kernels(Audit):
    """Notes every kernel that is not primitive: in the backward pass under the place of its forward pass."""

    def __init__(self, observer: Observer) -> None:
        super().__init__("scratch")
        self.observer = observer

    def found(self, name: str) -> None:
        node: Any = torch._C._current_autograd_node()
        where = node.metadata.get(MARK) if node is not None else None
        self.observer.note(where or self.observer.place()[1], name)


def module_of(frame: Any) -> str:
    return frame.f_globals.get("__name__", "")


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in an output, and in the dataclasses that some models return."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            yield leaf
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            yield from tensors(list(vars(leaf).values()))


def ancestors(nodes: list[Any], unmarked: bool = False) -> Iterator[Any]:
    """Nodes of autograd's graph and all that they depend on; if so wanted no further than those that have a mark."""
    seen = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen or (unmarked and MARK in node.metadata):
            continue
        seen.add(node)
        yield node
        nodes.extend(parent for parent, _ in node.next_functions)
