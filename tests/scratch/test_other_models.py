"""Other people's models, converted, are the same models: all classifiers of torchvision, and families of timm,
transformers and diffusers.

Outputs and every gradient agree to 1e-9 in float64, in training with dropout and stochastic depth drawn from the same
seed, and nothing but primitive operations runs. Weights are random and sizes small; nothing is downloaded.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from tests.scratch.test_convert import require_same

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]


class Hardsigmoid(nn.Module):
    """PyTorch's own takes 1/6 in single precision for its gradient, 1e-8 off: docs/torch-errors.md."""

    def forward(self, input: Tensor) -> Tensor:
        return (input + 3).clamp(0, 6) / 6


def exact(model: nn.Module) -> nn.Module:
    """The model in float64 and in training, but for what amplifies or makes errors: a batch norm of two pictures of a
    pixel each, which gives ±1 whatever it reads, and PyTorch's Hardsigmoid. Weights that are 0 are drawn: behind a last
    layer of zeros, as a vision transformer has, every gradient is 0."""
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    for module in list(model.double().train().modules()):
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
        for name, child in module.named_children():
            if isinstance(child, nn.Hardsigmoid):
                setattr(module, name, Hardsigmoid())
    return model


def pictures(size: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, dtype=torch.float64)


GIANTS = {  # more than 50 million numbers, each in the class of a smaller one
    **dict.fromkeys(("convnext_base", "convnext_large"), "convnext_small"),
    **dict.fromkeys(("efficientnet_b7",), "efficientnet_b6"),
    **dict.fromkeys(("efficientnet_v2_m", "efficientnet_v2_l"), "efficientnet_v2_s"),
    **dict.fromkeys(("regnet_x_16gf", "regnet_x_32gf"), "regnet_x_8gf"),
    **dict.fromkeys(("regnet_y_16gf", "regnet_y_32gf", "regnet_y_128gf"), "regnet_y_8gf"),
    **dict.fromkeys(("resnet152", "wide_resnet50_2", "wide_resnet101_2"), "resnet101"),
    **dict.fromkeys(("resnext101_32x8d", "resnext101_64x4d"), "resnext50_32x4d"),
    **dict.fromkeys(("swin_b",), "swin_s"),
    **dict.fromkeys(("swin_v2_b",), "swin_v2_s"),
    **dict.fromkeys(("vgg11", "vgg13", "vgg16", "vgg19", "vgg13_bn", "vgg16_bn", "vgg19_bn"), "vgg11_bn"),
    **dict.fromkeys(("vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"), "vit_b_16"),
}
SIZES = {"alexnet": 64, "googlenet": 64, "inception_v3": 299, "maxvit_t": 224}  # the least; of all others 32


@pytest.mark.parametrize("name", torchvision.models.list_models(module=torchvision.models))
def test_torchvision(name: str):
    if name in GIANTS:
        pytest.skip(f"large, and {GIANTS[name]} is of the same class")
    torch.manual_seed(0)
    options = {"image_size": 32} if name.startswith("vit") else {}
    model = torchvision.models.get_model(name, weights=None, num_classes=3, **options)
    size = SIZES.get(name, 32)
    require_same(exact(model), pictures(size, count=2 if size < 200 else 1))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "densenet121"])
def test_batch_norm_in_training(name: str):
    torch.manual_seed(0)
    model = exact(torchvision.models.get_model(name, weights=None, num_classes=3))
    require_same(model.train(), pictures(64))


TIMM = {  # of each family the smallest model, by the size of its pictures
    32: """convnext_atto convnextv2_atto densenet121 dla46_c edgenext_xx_small efficientnet_b0 focalnet_tiny_srf
        ghostnet_050 hgnetv2_b0 hrnet_w18_small mobilenetv3_small_050 mobileone_s0 mobilevit_xxs poolformer_s12
        pvt_v2_b0 regnetx_002 repvgg_a0 resnet10t resnetv2_50 rexnet_100 starnet_s1 tinynet_e""",
    64: "efficientvit_b0 fastvit_t8 inception_next_atto",
    224: "coat_lite_tiny levit_128s mixer_s32_224 pit_ti_224 resmlp_12_224",
}
RESIZED = "swin_tiny_patch4_window7_224 vit_tiny_patch16_224 xcit_nano_12_p16_224 visformer_tiny"  # to 64
FLOAT32 = {"efficientvit_b0": 1e-6}  # it computes its attention in float32: measured 7e-7


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [(name, size, {}) for size, names in TIMM.items() for name in names.split()]
    + [(name, 64, {"img_size": 64}) for name in RESIZED.split()],
)
def test_timm(name: str, size: int, options: dict[str, int]):
    timm = pytest.importorskip("timm", reason="timm is not installed: pip install -e '.[others]'")
    torch.manual_seed(0)
    model = exact(timm.create_model(name, num_classes=3, **options))
    require_same(model, pictures(size), within=FLOAT32.get(name, 1e-9))


def tokens() -> dict[str, Tensor]:
    """Two sentences, the second of which is padded."""
    mask = torch.ones(2, 7, dtype=torch.long)
    mask[1, 5:] = 0
    return {"input_ids": torch.randint(5, 50, (2, 7)), "attention_mask": mask}


def answered() -> dict[str, Tensor]:
    return {**tokens(), "labels": torch.randint(5, 50, (2, 4))}


ENCODER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = {"vocab_size": 50, "max_position_embeddings": 32, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
GROUPED = {**ENCODER, **TEXT, "num_key_value_heads": 1, "use_cache": False}
BOTH = {f"{side}_{part}": size for side in ("encoder", "decoder")
        for part, size in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 32))}  # fmt: skip
TRANSFORMERS: dict[str, tuple[str, dict[str, Any], Callable[[], dict[str, Tensor]]]] = {
    "bert": ("BertForSequenceClassification", {**ENCODER, **TEXT}, tokens),
    "roberta": ("RobertaForMaskedLM", {**ENCODER, **TEXT}, tokens),
    "distilbert": ("DistilBertModel", {**TEXT, "dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2}, tokens),
    "gpt2": ("GPT2LMHeadModel", {**TEXT, "n_embd": 16, "n_layer": 2, "n_head": 2, "use_cache": False}, tokens),
    "llama": ("LlamaForCausalLM", GROUPED, tokens),
    "mistral": ("MistralForCausalLM", {**GROUPED, "sliding_window": 4}, tokens),
    "qwen2": ("Qwen2ForCausalLM", GROUPED, tokens),
    "t5": (
        "T5ForConditionalGeneration",
        {"vocab_size": 50, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_heads": 2, "decoder_start_token_id": 0},
        answered,
    ),
    "bart": ("BartForConditionalGeneration", {**TEXT, **BOTH, "d_model": 16, "decoder_start_token_id": 2}, answered),
    "vit": (
        "ViTForImageClassification",
        {**ENCODER, "image_size": 16, "patch_size": 4},
        lambda: {"pixel_values": pictures(16)},
    ),
    "whisper": (
        "WhisperForConditionalGeneration",
        {**BOTH, "vocab_size": 50, "d_model": 16, "max_source_positions": 10, "num_mel_bins": 8, "pad_token_id": 0,
         "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3},
        lambda: {"input_features": torch.randn(2, 8, 20, dtype=torch.float64), "labels": answered()["labels"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers(name: str):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install '.[others]'")
    torch.manual_seed(0)
    kind, sizes, inputs = TRANSFORMERS[name]
    model = getattr(transformers, kind)
    require_same(exact(model(model.config_class(**sizes))), **inputs())


def test_diffusers():
    """Its models keep their options in a dictionary of their own kind."""
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install diffusers")
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    sizes = {"sample_size": 16, "block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}
    model = diffusers.UNet2DModel(**blocks, **sizes, attention_head_dim=8).double().eval()

    class Sample(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x, torch.tensor([3])).sample

    require_same(Sample(), pictures(16, count=1))
