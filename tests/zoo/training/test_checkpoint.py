"""Checkpoints that people have stay readable: what is stored in them by name keeps its name."""

from pathlib import Path

import torch
from hydra.utils import get_class

from tests.zoo.runs import checkpoint, composed
from zoo.training.build import members

OLD = Path(__file__).with_name("checkpoint_0.1.0.ckpt")  # of the fourth step of six, by version 0.1.0
WORDS = ["model=mlp", "model.width=4", "model.depth=1", "data.image_size=4", "callbacks=[default,swa]"]
WORDS += ["callbacks.swa.start=0", "trainer.max_epochs=2", "+trainer.limit_train_batches=3", "logger=csv"]

MODELS = """zoo.autoencoder.Autoencoder zoo.bert.BERT zoo.diffusion.Diffusion zoo.gat.GAT zoo.gcn.GCN zoo.gcn.GraphGCN
zoo.gpt.GPT zoo.language_model.LanguageModel zoo.lenet.LeNet zoo.mlp.MLP zoo.perceptron.Perceptron zoo.rbf.RBF
zoo.recurrent.SequenceClassifier zoo.recurrent.SequenceRegressor zoo.resnet.ResNet zoo.sage.SAGE zoo.seq2seq.Seq2Seq
zoo.transformer.Transformer zoo.vae.VAE zoo.vit.ViT"""
DATA = """zoo.data.dates.Dates zoo.data.digits.Digits zoo.data.graphs.GeneratedGraphs
zoo.data.graphs.GeneratedRelations zoo.data.karate.Karate zoo.data.masked_text.MaskedText
zoo.data.mnist.FashionMNISTData zoo.data.mnist.MNISTData zoo.data.multi30k.Multi30k zoo.data.planetoid.Citations
zoo.data.sequences.Adding zoo.data.sequences.CopyMemory zoo.data.sequences.SequentialDigits
zoo.data.sequences.SequentialMNIST zoo.data.text.Text"""
BATCHES = "zoo.data.nodes.Nodes zoo.data.graphs.Graphs"  # in not_finite.pt


def test_an_old_checkpoint_is_evaluated_exported_and_resumed(call):
    assert call("eval", f"ckpt={OLD}") == 0
    assert call("export", f"ckpt={OLD}", "to=exported") == 0
    assert call("train", *WORDS, f"ckpt_path={OLD}", "paths.run=resumed") == 0
    assert checkpoint("resumed")["global_step"] == 6


def test_classes_are_where_checkpoints_name_them():
    for name in (MODELS + " " + DATA + " " + BATCHES).split():
        assert f"{get_class(name).__module__}.{get_class(name).__name__}" == name


def test_callbacks_have_the_names_under_which_checkpoints_store_their_state():
    """Lightning stores it under the name of the class, and Best under that of its options, too."""
    words = ["callbacks=[default,swa,stop_above_mean]", "paths.run=run"]
    names = {type(callback).__name__ for callback in members(composed(*words).callbacks)}
    stored = {key.partition("{")[0] for key in torch.load(OLD, weights_only=True)["callbacks"]}
    assert stored == {"Best", "StochasticWeightAveraging"}
    assert names >= {*stored, "StopAboveMean"}
