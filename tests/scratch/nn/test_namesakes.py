"""A layer is an instance of torch.nn's class of the same name, so that other people's tools treat it as one, and takes
no method from it."""

import copy
import warnings

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import StochasticWeightAveraging
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import fusion, parametrizations, prune
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader

import scratch.nn
from scratch.nn.attention import NonDynamicallyQuantizableLinear
from scratch.nn.layer import Layer, native
from scratch.nn.rnn import RNNBase, RNNCellBase
from scratch.testing import resolve
from scratch.testing.cases import CASES

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]

CLASSES = {name: kind for name in scratch.nn.__all__ if isinstance(kind := getattr(scratch.nn, name), type)}
LAYERS = {name: kind for name, kind in CLASSES.items() if issubclass(kind, Layer)}
SHARED = [name for name in LAYERS if hasattr(nn, name)]


@pytest.mark.parametrize("name", SHARED)
def test_isinstance(name):
    """All relations that torch's classes have; but SyncBatchNorm is a _BatchNorm only, since DistributedDataParallel
    refuses torch's on a CPU, where ours works."""
    theirs = _BatchNorm if name == "SyncBatchNorm" else getattr(nn, name)
    assert issubclass(LAYERS[name], theirs)
    for other in SHARED:
        if issubclass(getattr(nn, name), getattr(nn, other)):
            assert issubclass(LAYERS[name], LAYERS[other])


@pytest.mark.parametrize(
    "layer", [*LAYERS.values(), NonDynamicallyQuantizableLinear, RNNBase, RNNCellBase], ids=lambda kind: kind.__name__
)
def test_no_method_comes_from_torch(layer):
    for kind in filter(native, layer.__mro__):
        for name, value in vars(kind).items():
            found = next(base for base in layer.__mro__ if name in vars(base))
            if callable(value) or isinstance(value, (property, classmethod, staticmethod)):
                assert not native(found) or found is LazyModuleMixin, f"{name} is that of {found}"


def test_a_method_of_torch_alone_is_absent():
    with pytest.raises(AttributeError, match="merge_masks"):
        scratch.nn.MultiheadAttention(4, 2).merge_masks(None, None, torch.ones(1))
    assert not hasattr(scratch.nn.LSTM, "_weights_have_changed")


@pytest.mark.parametrize("name", SHARED)
def test_attributes(name):
    """All that torch's layer has in its __dict__, ours has, too, or a property."""
    for case in CASES:
        if case.name == name:
            args, kwargs, _ = case.draw_arguments()
            theirs, ours = (resolve(package, name)(*args, **kwargs) for package in ("torch.nn", "scratch.nn"))
            assert [key for key in vars(theirs) if not hasattr(ours, key) and key != "_flat_weight_refs"] == [], str(
                case
            )


def both(make):
    """A model of torch's layers and the same of ours, on equal weights."""
    theirs, ours = make(nn), make(scratch.nn)
    ours.load_state_dict(theirs.state_dict())
    return theirs.double(), ours.double()


def test_update_bn():
    theirs, ours = both(lambda nn: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    batches = torch.randn(3, 5, 3, 6, 6, dtype=torch.float64)
    for model in (theirs, ours):
        update_bn(batches, model)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-12, atol=1e-12)


def test_weight_averaging_of_lightning(tmp_path):
    """Its callback brings the statistics of BatchNorm up to date for the averaged weights."""

    class Model(lightning.LightningModule):
        def __init__(self, layers):
            super().__init__()
            self.net = layers.Sequential(layers.Linear(3, 4), layers.BatchNorm1d(4), layers.Linear(4, 1))

        def training_step(self, batch, batch_idx):
            return self.net(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    theirs, ours = both(Model)
    batches = DataLoader(torch.randn(12, 3, dtype=torch.float64), batch_size=4)
    for model in (theirs, ours):
        lightning.Trainer(
            max_epochs=4,
            accelerator="cpu",
            callbacks=[StochasticWeightAveraging(0.05, 2)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        ).fit(model, batches)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layer", ["Conv2d", "ConvTranspose2d", "Conv3d", "ConvTranspose3d"])
def test_memory_format_helpers(layer):
    channels_last = torch.channels_last if "2d" in layer else torch.channels_last_3d
    convert = getattr(nn.utils, f"convert_conv{layer[-2:]}_weight_memory_format")
    model = convert(scratch.nn.Sequential(getattr(scratch.nn, layer)(3, 4, 3)), channels_last)
    assert model[0].weight.is_contiguous(memory_format=channels_last)


@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, parametrizations.spectral_norm])
@pytest.mark.parametrize("layer", ["Conv1d", "ConvTranspose1d", "ConvTranspose2d"])
def test_the_dimension_of_spectral_norm(norm, layer):
    """torch takes the outputs of a transposed convolution from its second dimension."""
    sides = []
    for package in (nn, scratch.nn):
        torch.manual_seed(0)
        sides.append(norm(getattr(package, layer)(3, 5, 2)))
    theirs, ours = sides
    for (name, buffer), (_, reference) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert buffer.shape == reference.shape, name
    torch.testing.assert_close(ours.weight, theirs.weight)


RECURRENT = {"RNN": (3, 4), "LSTM": (3, 4, 2), "GRU": (3, 4)}


@pytest.mark.parametrize("change", ["weight_norm", "parametrized", "pruned"])
@pytest.mark.parametrize("layer", RECURRENT)
def test_changed_recurrent_weights(change, layer):
    """Weights that are computed from others, or masked, are those that the layer uses."""

    def make(package):
        torch.manual_seed(0)
        module = getattr(package, layer)(*RECURRENT[layer])
        for name in ("weight_ih_l0", "weight_hh_l0"):
            if change == "weight_norm":
                nn.utils.weight_norm(module, name)
            elif change == "parametrized":
                parametrizations.weight_norm(module, name)
            else:
                prune.l1_unstructured(module, name, amount=5)
        return module

    theirs, ours = make(nn), make(scratch.nn)
    x = torch.randn(5, 2, 3)
    outputs = [side(x)[0] for side in (ours, theirs)]
    torch.testing.assert_close(*outputs)
    grads = [
        torch.autograd.grad(output.sum(), list(side.parameters()))
        for output, side in zip(outputs, (ours, theirs), strict=True)
    ]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("layer", RECURRENT)
def test_names_of_recurrent_weights(layer):
    theirs, ours = (getattr(package, layer)(3, 4, num_layers=2, bidirectional=True) for package in (nn, scratch.nn))
    assert ours._flat_weights_names == theirs._flat_weights_names
    assert ours._all_weights == theirs._all_weights
    assert all(a is b for a, b in zip(ours._flat_weights, ours.parameters(), strict=True))
    with pytest.raises(TypeError):  # rather than to ignore in silence what torch would use
        ours._flat_weights[0] = torch.zeros(4, 3)


class Doubled(scratch.nn.Conv2d):
    """The way in which weight standardisation and quantisation change a convolution."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, 2 * self.weight, self.bias)


class Silent(scratch.nn.TransformerEncoderLayer):
    def _ff_block(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def test_what_subclasses_override():
    layer, x = Doubled(3, 4, 3, padding=1, padding_mode="reflect", bias=False), torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(layer(x), 2 * scratch.nn.Conv2d.forward(layer, x))
    layer = Silent(4, 2, 8, norm_first=True).eval()
    x = torch.randn(3, 2, 4)
    normal = layer.norm1(x)
    torch.testing.assert_close(layer(x), x + layer.self_attn(normal, normal, normal)[0])


def test_fusion_of_convolution_and_norm():
    theirs, ours = both(lambda nn: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    for model in (theirs, ours):
        model(x)
        model.eval()
    fused = fusion.fuse_conv_bn_eval(*ours)
    assert type(fused) is scratch.nn.Conv2d
    torch.testing.assert_close(fused(x), theirs(x))


def test_sync_batch_norm():
    """Who asks torch's class to convert gets torch's layer, as those who name it may expect; ours makes ours."""
    model = scratch.nn.Sequential(scratch.nn.BatchNorm1d(3))
    assert type(nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model))[0]) is nn.SyncBatchNorm
    ours = scratch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert type(ours[0]) is scratch.nn.SyncBatchNorm
    assert type(scratch.convert(nn.SyncBatchNorm.convert_sync_batchnorm(ours))[0]) is scratch.nn.SyncBatchNorm


def test_an_encoder_of_torch_with_our_layers():
    """It takes no fast path, and so hands over no nested tensors."""
    torch.manual_seed(0)
    theirs = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2).eval()
    ours = nn.TransformerEncoder(scratch.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2).eval()
    ours.load_state_dict(theirs.state_dict())
    assert not ours.use_nested_tensor
    x, padding = torch.randn(2, 3, 4), torch.tensor([[False, False, True], [False, False, False]])
    with torch.no_grad():
        difference = (ours(x, src_key_padding_mask=padding) - theirs(x, src_key_padding_mask=padding))[~padding]
    assert difference.abs().max() < 1e-6


def test_quantisation_goes_by_the_exact_class():
    """It leaves our layers alone, which have no integers; reverted, they are torch's, and quantised."""
    model = scratch.nn.Sequential(scratch.nn.Linear(4, 4), scratch.nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
        assert type(quantised[0]) is scratch.nn.Linear
        quantised = torch.ao.quantization.quantize_dynamic(scratch.revert(model), {nn.Linear})
    assert type(quantised[0]).__module__.startswith("torch.ao")


def test_initialisers():
    """The two ways in which public code looks for the layers to initialise."""

    def initialise(module):
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.Embedding)):
            nn.init.constant_(module.weight, 2.0)
        elif isinstance(module, nn.RNNBase):
            for name in module._flat_weights_names:
                nn.init.constant_(module._parameters[name], 2.0)

    model = scratch.nn.ModuleList(
        [scratch.nn.Linear(2, 2, bias=False), scratch.nn.Embedding(2, 2), scratch.nn.GRU(2, 2)]
    ).apply(initialise)
    assert all((weight == 2).all() for weight in model.parameters())
