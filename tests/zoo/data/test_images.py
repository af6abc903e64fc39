"""The data modules: their splits, and what a missing, truncated or corrupt file leads to."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.core.errors import UsageError
from zoo.data.digits import Digits
from zoo.data.images import distort
from zoo.data.loader import Loader, Tensors
from zoo.data.mnist import FILES, MNISTData


def write_idx(path: Path, values: np.ndarray) -> None:
    """A file in MNIST's format: two zeros, the type (8: bytes), the dimensions, then the bytes."""
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(header + values.astype(np.uint8).tobytes())


@pytest.fixture
def small_mnist(tmp_path) -> Path:
    """A folder with a hundred training and twenty test pictures in MNIST's four files."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 100), ("t10k", 20)):
        write_idx(folder / f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(count) % 10)
    return tmp_path


def test_digits_are_split_once_and_for_all():
    first, second = Digits(seed=0), Digits(seed=1)
    first.setup()
    second.setup()
    assert {name: len(split.labels) for name, split in first.splits.items()} == {"train": 1257, "val": 180, "test": 360}
    for name, split in first.splits.items():
        assert torch.equal(split.pictures, second.splits[name].pictures)
        share = split.labels.bincount() / len(split.labels)
        assert (share - 0.1).abs().max() < 0.01  # stratified: each class close to a tenth
        assert split.pictures.shape[1:] == (1, 32, 32)
    together = torch.cat([split.pictures for split in first.splits.values()]).flatten(1)
    assert len(together.unique(dim=0)) == 1797  # no picture is in two splits


def test_mnist_reads_its_files(small_mnist):
    data = MNISTData(str(small_mnist), image_size=32, val_fraction=0.2)
    data.prepare_data()
    data.setup()
    assert {name: tuple(split.pictures.shape) for name, split in data.splits.items()} == {
        "train": (80, 1, 32, 32),
        "val": (20, 1, 32, 32),
        "test": (20, 1, 32, 32),
    }
    assert data.splits["test"].pictures[:, :, :2].abs().max() == 0  # the border


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["cut", "empty", "header", "text"])
def test_a_harmed_file_is_named_with_the_remedy(small_mnist, name, harm):
    path = small_mnist / "MNIST" / "raw" / name
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-5], "empty": b"", "header": b"\1" * 16 + whole[16:], "text": b"<html>"}[harm])
    data = MNISTData(str(small_mnist))
    data.prepare_data()
    with pytest.raises(UsageError, match=r"truncated or corrupt; delete it") as raised:
        data.setup()
    assert str(path) in str(raised.value)


def test_more_bytes_than_announced_are_refused(small_mnist):
    path = small_mnist / "MNIST" / "raw" / FILES[0]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UsageError, match="truncated or corrupt"):
        MNISTData(str(small_mnist)).setup()


def test_a_failed_download_leaves_nothing_behind(tmp_path, monkeypatch):
    def broken(self):
        Path(self.raw_folder).mkdir(parents=True)
        (Path(self.raw_folder) / FILES[0]).write_bytes(b"half a file")
        raise RuntimeError("Error downloading train-images:\nthe line went dead")

    monkeypatch.setattr(MNISTData.dataset, "download", broken)
    with pytest.raises(UsageError, match="the download failed") as raised:
        MNISTData(str(tmp_path)).prepare_data()
    assert "\n" not in str(raised.value)
    assert str(tmp_path / "MNIST" / "raw" / FILES[0]) in str(raised.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_download_fills_in_what_is_missing(tmp_path, small_mnist, monkeypatch):
    raw = small_mnist / "MNIST" / "raw"
    kept = {name: (raw / name).read_bytes() for name in FILES}
    (raw / FILES[1]).unlink()

    def whole(self):
        Path(self.raw_folder).mkdir(parents=True)
        for name, content in kept.items():
            (Path(self.raw_folder) / name).write_bytes(content)

    monkeypatch.setattr(MNISTData.dataset, "download", whole)
    data = MNISTData(str(small_mnist))
    data.prepare_data()
    data.setup()
    assert {path.name for path in raw.iterdir()} == set(FILES)
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]


@pytest.mark.skipif("HANDGRAD_DATA" not in os.environ, reason="HANDGRAD_DATA names no folder with the real MNIST")
def test_the_real_mnist():
    data = MNISTData(os.environ["HANDGRAD_DATA"])
    data.prepare_data()
    data.setup()
    assert {name: len(split.labels) for name, split in data.splits.items()} == {
        "train": 54000,
        "val": 6000,
        "test": 10000,
    }
    train = data.splits["train"].pictures
    assert abs(float(train.mean()) - data.mean) < 1e-3
    assert abs(float(train.std()) - data.deviation) < 1e-3


def batches(loader: Loader) -> list[list[int]]:
    return [batch[0].tolist() for batch in loader]


def test_the_order_depends_on_seed_and_epoch_alone():
    orders = {}
    for seed in (0, 1):
        loader = Loader(Tensors(torch.arange(20)), batch_size=6, shuffle=True, seed=seed)
        for epoch in (0, 1):
            torch.manual_seed(seed * 7 + epoch)
            loader.sampler.set_epoch(epoch)
            orders[seed, epoch] = batches(loader)
            assert sorted(index for batch in orders[seed, epoch] for index in batch) == list(range(20))
    assert len({str(order) for order in orders.values()}) == 4
    again = Loader(Tensors(torch.arange(20)), batch_size=6, shuffle=True, seed=0)
    assert batches(again) == orders[0, 0]


def test_a_loader_goes_on_where_it_was():
    loader = Loader(Tensors(torch.arange(20)), batch_size=6, shuffle=True)
    whole = batches(loader)
    part = iter(loader)
    assert [next(part)[0].tolist(), next(part)[0].tolist()] == whole[:2]
    resumed = Loader(Tensors(torch.arange(20)), batch_size=6, shuffle=True)
    resumed.load_state_dict(loader.state_dict())
    assert batches(resumed) == whole[2:]
    assert batches(resumed) == whole  # and the next epoch is whole again


def test_distort_moves_pictures_by_no_more_than_asked():
    torch.manual_seed(0)
    dot = torch.zeros(200, 1, 29, 29)
    dot[:, :, 14, 14] = 1
    moved = distort(dot, rotate=0, scale=0, shift=3)
    places = torch.arange(29.0)
    mass = moved.sum((1, 2, 3))
    column = (moved.sum((1, 2)) * places).sum(1) / mass - 14
    assert 2.0 < column.abs().max() <= 3.01
    assert torch.equal(distort(dot, 0, 0, 0), dot)
    turned = distort(dot, rotate=90, scale=0, shift=0)
    torch.testing.assert_close(turned[:, 0, 14, 14], torch.ones(200), atol=1e-4, rtol=0)  # the centre stays


def test_pixels():
    """Standardised, from 0 to 1, or from 0 to 255 as they are in the file."""
    pictures = torch.rand(5, 1, 8, 8)
    assert torch.equal(Digits(pixels="unit").normalise(pictures), pictures)
    assert torch.equal(Digits(pixels="raw").normalise(pictures), 255 * pictures)
    data = Digits(image_size=8)
    data.setup()
    whole = data.normalise(data.splits["train"].pictures)
    assert abs(float(whole.mean())) < 0.01
    assert float(whole.std()) == pytest.approx(1, abs=0.01)


def test_the_last_pictures_validate(small_mnist):
    data = MNISTData(str(small_mnist), val_fraction=0.1, validate="last")
    data.setup()
    everything = MNISTData(str(small_mnist))._read("train").pictures
    assert torch.equal(data.splits["train"].pictures, everything[:90])
    assert torch.equal(data.splits["val"].pictures, everything[90:])
