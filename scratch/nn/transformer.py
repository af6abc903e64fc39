"""Transformer, its encoder and decoder and their layers, put together from other layers (Vaswani et al. 2017).

Pre-norm (``norm_first``) is  x + f(norm(x)), post-norm  norm(x + f(x)), for each block f: attention to oneself, in
the decoder attention to the encoder's output, and a feed-forward network; each ends in dropout.

Masks are as in MultiheadAttention. Those named is_causal are hints; where they are None, it is looked up whether the
mask is causal. Differs from torch.nn: nested tensors and the fast path that it has for inference are left out, so
that ``enable_nested_tensor`` and ``mask_check`` change nothing, and padding comes out as it does in training.
"""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Module, ModuleList, init

from scratch.nn import functional as F
from scratch.nn.activation import GELU, ReLU
from scratch.nn.attention import MultiheadAttention
from scratch.nn.dropout import Dropout
from scratch.nn.layer import Layer
from scratch.nn.linear import Linear
from scratch.nn.norm import LayerNorm
from scratch.ops.attention.multi_head_attention import additive

Activation = str | Callable[[Tensor], Tensor]


def activation_function(activation: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation must be 'relu', 'gelu' or something to call, not {activation!r}")
    return F.relu if activation == "relu" else F.gelu


def causal_mask(size: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """−∞ above the diagonal, else 0."""
    return torch.full((size, size), -torch.inf, dtype=dtype, device=device).triu(1)


def is_causal_mask(mask: Tensor | None, hint: bool | None, x: Tensor, batch_first: bool) -> bool:
    """The hint, or where there is none, whether the mask is `causal_mask` of the sequence x."""
    if hint is not None or mask is None:
        return bool(hint)
    size = x.shape[0 if x.dim() == 2 or not batch_first else 1]
    return mask.shape == (size, size) and bool((mask == causal_mask(size, mask.device, mask.dtype)).all())


class _TransformerLayer(Layer):
    """What both layers share: attention to oneself, and the feed-forward network."""

    self_attn: MultiheadAttention
    norm1: Module
    norm2: Module
    dropout1: Module
    dropout2: Module

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
        attentions: tuple[str, ...] = ("self_attn",),
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        for name in attentions:
            attention = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **factory)
            self.add_module(name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **factory)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **factory)
        self.norm_first = norm_first
        blocks = range(1, len(attentions) + 2)
        for i in blocks:
            self.add_module(f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, **factory))
        for i in blocks:
            self.add_module(f"dropout{i}", Dropout(dropout))
        self.activation = activation_function(activation)

    def block(self, x: Tensor, f: Callable[..., Tensor], norm: Module, *args: Any) -> Tensor:
        return x + f(norm(x), *args) if self.norm_first else norm(x + f(x, *args))

    # the blocks f, under torch's names: subclasses put their own in the place of one

    def _sa_block(
        self, x: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None, is_causal: bool = False
    ) -> Tensor:
        return self.dropout1(self.self_attn(x, x, x, key_padding_mask, False, attn_mask, is_causal=is_causal)[0])

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoderLayer(_TransformerLayer, nn.TransformerEncoderLayer):
    """Attention to oneself, then a feed-forward network."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        options = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device, dtype)
        super().__init__(d_model, nhead, *options)
        self.activation_relu_or_gelu = 0  # torch.nn.TransformerEncoder would hand nested tensors to 1 and 2

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        padding = additive(src_key_padding_mask, "src_key_padding_mask", src.dtype, src_mask, "src_mask")
        mask = additive(src_mask, "src_mask", src.dtype)
        x = self.block(src, self._sa_block, self.norm1, mask, padding, is_causal)
        return self.block(x, self._ff_block, self.norm2)


class TransformerDecoderLayer(_TransformerLayer, nn.TransformerDecoderLayer):
    """Attention to oneself, then to the encoder's output, then a feed-forward network."""

    multihead_attn: MultiheadAttention
    norm3: Module
    dropout3: Module

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        options = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device, dtype)
        super().__init__(d_model, nhead, *options, attentions=("self_attn", "multihead_attn"))

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = self.block(tgt, self._sa_block, self.norm1, tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        masks = memory_mask, memory_key_padding_mask, memory_is_causal
        x = self.block(x, self._mha_block, self.norm2, memory, *masks)
        return self.block(x, self._ff_block, self.norm3)

    def _mha_block(
        self,
        x: Tensor,
        mem: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
    ) -> Tensor:
        options = key_padding_mask, False, attn_mask
        return self.dropout2(self.multihead_attn(x, mem, mem, *options, is_causal=is_causal)[0])

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def clones(layer: Module, count: int) -> ModuleList:
    return ModuleList(copy.deepcopy(layer) for _ in range(count))


def why_not_nested(layer: Module) -> str | None:
    """Why torch's fast path for inference, which takes nested tensors, does not take this layer."""
    if not isinstance(layer, TransformerEncoderLayer):
        return "the layer is no TransformerEncoderLayer"
    attention = layer.self_attn
    reasons = {
        "norm_first": layer.norm_first,
        "not batch_first": not attention.batch_first,
        "no bias": attention.in_proj_bias is None,
        "activation neither relu nor gelu": not (
            layer.activation in (F.relu, F.gelu) or isinstance(layer.activation, (ReLU, GELU))
        ),
        "different eps": layer.norm1.eps != layer.norm2.eps,
        "an odd number of heads": attention.num_heads % 2 == 1,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


class TransformerEncoder(Layer, nn.TransformerEncoder):
    """Copies of a layer, one after the other, and then a norm."""

    layers: Any  # a ModuleList

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers, self.num_layers, self.norm = clones(encoder_layer, num_layers), num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check
        reason = why_not_nested(encoder_layer)
        self.use_nested_tensor = enable_nested_tensor and reason is None
        if enable_nested_tensor and reason is not None:
            warnings.warn(f"enable_nested_tensor has no effect in torch.nn either: {reason}", stacklevel=2)

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        padding = additive(src_key_padding_mask, "src_key_padding_mask", src.dtype, mask, "mask")
        mask = additive(mask, "mask", src.dtype)
        causal = is_causal_mask(mask, is_causal, src, self.layers[0].self_attn.batch_first)
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Layer, nn.TransformerDecoder):
    """Copies of a layer, one after the other, and then a norm."""

    layers: Any  # a ModuleList

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers, self.num_layers, self.norm = clones(decoder_layer, num_layers), num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        causal = is_causal_mask(tgt_mask, tgt_is_causal, tgt, self.layers[0].self_attn.batch_first)
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Layer, nn.Transformer):
    """Encoder and decoder. All weight matrices start uniform in ±√(6 / (columns + rows))."""

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        options = (dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device, dtype)

        def norm() -> Module:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)

        if custom_encoder is None:
            encoder_layer = TransformerEncoderLayer(d_model, nhead, *options)
            custom_encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm())
        self.encoder = custom_encoder
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(d_model, nhead, *options)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm())
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        batch = 0 if self.batch_first else 1
        if src.dim() == 3 and src.size(batch) != tgt.size(batch):
            raise RuntimeError(f"src has a batch of {src.size(batch)}, tgt one of {tgt.size(batch)}")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError(f"src and tgt must have {self.d_model} features, not {src.size(-1)} and {tgt.size(-1)}")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Tensor:
        """−∞ above the diagonal, else 0."""
        return causal_mask(sz, device, dtype)
