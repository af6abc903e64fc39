"""Models that draw: their losses are the formulas', what they measure repeats, and they draw what they should."""

from pathlib import Path

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from tests.zoo.runs import metrics, same, weights
from zoo.autoencoder import Autoencoder
from zoo.diffusion import Diffusion
from zoo.vae import VAE

TINY = ["data.image_size=8", "data.rotate=0", "data.scale=0", "data.shift=0", "callbacks.progress=null", "logger=csv"]
TINY += ["+trainer.limit_train_batches=5", "+trainer.limit_val_batches=1", "+trainer.limit_test_batches=1"]
MODELS = {
    "autoencoder": ["model=autoencoder", "model.width=8", "model.code=4"],
    "vae": ["model=vae", "model.width=8", "model.code=4"],
    "diffusion": ["model=diffusion", "model.width=8", "model.steps=21"],
}


def test_the_loss_of_a_vae_is_the_bound():
    """By torch's own distributions: −log p(x | z) + KL(q(z | x) ‖ N(0, 1)), for the same ε."""
    torch.manual_seed(0)
    model, x = VAE(width=8, code=3, image_size=6).double(), torch.rand(5, 1, 6, 6, dtype=torch.float64)
    found = model.losses(x, seed=7)
    mean, log_variance = model.encoder(x).chunk(2, 1)
    q = Normal(mean, (log_variance / 2).exp())
    z = mean + q.stddev * torch.randn(5, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    p = Bernoulli(logits=model.decoder(z), validate_args=False)
    reconstruction = -p.log_prob(x).flatten(1).sum(1).mean()
    kl = kl_divergence(q, Normal(0, 1)).sum(1).mean()
    torch.testing.assert_close(found, {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl})


def test_a_vae_tells_apart_what_it_measures_and_what_it_learns_from():
    """With a seed the same noise each time; without one new noise."""
    model, x = VAE(width=8, image_size=8), torch.rand(4, 1, 8, 8)
    assert model.losses(x, seed=0)["loss"] == model.losses(x, seed=0)["loss"]
    assert model.losses(x)["loss"] != model.losses(x)["loss"]


def test_sizes_of_the_pages():
    counts = [sum(p.numel() for p in model.parameters()) for model in (VAE(image_size=28), Diffusion(image_size=8))]
    assert counts == [815_824, 271_777]


def test_the_noise_of_all_steps():
    """T = 1000 has the schedule of the paper. Step by step the noise adds up to that of √ᾱ x₀ + √(1 − ᾱ) ε."""
    model = Diffusion(steps=1000, width=8)
    torch.testing.assert_close(model.beta[[0, -1]], torch.tensor([1e-4, 0.02]))
    factor, variance = torch.ones(()), torch.zeros(())
    for beta, remains in zip(model.beta, model.remains, strict=True):
        factor, variance = (1 - beta).sqrt() * factor, (1 - beta) * variance + beta
        torch.testing.assert_close(remains, factor**2, rtol=1e-4, atol=0)
        torch.testing.assert_close(1 - remains, variance, rtol=1e-4, atol=1e-6)


def test_diffusion_draws_the_picture_that_it_knows(monkeypatch):
    """A network that knows all noise in the only picture there is ends at this picture, whatever it begins with."""
    model, known = Diffusion(width=8, steps=30, image_size=4), torch.rand(1, 1, 4, 4)

    def noise(self, x, t):
        remains = self.remains[t][:, None, None, None]
        return (x - remains.sqrt() * (2 * known - 1)) / (1 - remains).sqrt()

    monkeypatch.setattr(Diffusion, "forward", noise)
    *before, last = model.drawn(3, seed=1)
    assert len(before) == 30
    torch.testing.assert_close(last, known.expand_as(last), rtol=0, atol=1e-4)
    assert (before[0] - known).abs().max() > 0.5


def test_the_same_seed_draws_the_same_pictures():
    model = Diffusion(width=8, steps=21, image_size=4)
    first, again, other = ([*model.drawn(2, seed)][-1] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_only_from_the_noise_of_its_step():
    """The network learns which step it is at from t alone."""
    model, x = Diffusion(width=8, image_size=4), torch.rand(1, 1, 4, 4)
    assert not torch.equal(model(x, torch.tensor([0])), model(x, torch.tensor([199])))


@pytest.mark.parametrize("build", [VAE, Autoencoder])
def test_codes_decode_to_the_reconstruction(build):
    model, x = build(width=8, code=3, image_size=8), torch.rand(2, 1, 8, 8)
    assert model.encode(x).shape == (2, 3)
    assert torch.equal(model.decode(model.encode(x)), model(x))


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_resumed_ends_like_unbroken_and_leaves_pictures(model, start):
    words = [*MODELS[model], *TINY]
    assert start(*words, "trainer.max_epochs=2", "paths.run=unbroken") == 0
    assert start(*words, "trainer.max_epochs=1", "paths.run=half") == 0
    assert start(*words, "trainer.max_epochs=2", "paths.run=resumed", "ckpt_path=half") == 0
    assert same(weights("unbroken"), weights("resumed"))
    assert metrics("unbroken")[-1] == metrics("resumed")[-1]
    pictures = {path.stem for path in Path("unbroken/pictures").glob("*.png")}
    codes = {"latent_walk", "reconstructions"}
    assert (
        pictures
        == {"learning_curves"}
        | {
            "autoencoder": codes,
            "vae": codes | {"samples"},
            "diffusion": {"clearing_up", "samples"},
        }[model]
    )


def test_pictures_of_a_model_in_float64():
    """Drawn by the callbacks in the precision of the model."""
    model = Diffusion(width=8, steps=21, image_size=4).double()
    assert next(model.drawn(1)).dtype is torch.float64
