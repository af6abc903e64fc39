"""What "from scratch" means: made of primitive tensor operations only. The one list of them, and the audit by it.

    with Audit():  # an operation that is not primitive is refused
        loss = model(batch)
        loss.backward()
        optimizer.step()

PyTorch shows each operation to the audit below autograd, so that a native layer is seen in the forward pass and
its derivative in the backward pass, whoever calls them. Linear maps are primitive (a native Linear is an addmm
there); any kernel whose name says a layer, a loss, an activation beyond tanh and sigmoid, a backward or a fused
optimizer step is not. The docstring of `scratch.audit` says how to list what a model leaves to torch.
"""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

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


class Impure(AssertionError):
    """Somebody computed with an operation that is not primitive."""


def primitive(operator: Any, args: tuple[Any, ...] = ()) -> bool:
    """Whether a call of an operator of ATen, or of another library of operators, is a primitive operation."""
    namespace, name = operator._schema.name.split("::")
    if name == "_linear_pointwise":  # oneDNN's product of matrices, if there is no activation behind it
        return args[3] == "none"
    return namespace in ("prim", "profiler") or bare(name) in PRIMITIVES


def bare(name: str) -> str:
    return name.removeprefix("_foreach_").removesuffix("_")


class Audit(TorchDispatchMode):
    """A context in which only primitive operations run; ``also`` allows more of them by name."""

    def __init__(self, also: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.also = also

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.split("::")[1]
        if not primitive(func, args) and bare(name) not in self.also:
            self.found(name)
        return func(*args, **(kwargs or {}))

    def found(self, name: str) -> None:
        raise Impure(f"{name} is not a primitive operation")
