"""Wrong commands: one line that names the wrong value and the legal ones, exit status 2, and nothing left behind."""

from pathlib import Path

import pytest
import torch

from zoo.language_model import LanguageModel
from zoo.mlp import MLP
from zoo.seq2seq import Seq2Seq
from zoo.text.vocabulary import Vocabulary

DATES = ["data.train=100", "data.test=10"]
WRONG = [
    # words of the command line, of scripts/train.py where they begin with no other's name; parts of the line it gives
    (["model=lenett"], ["model=lenett", "did you mean 'lenet'", "mlp"]),
    (["impl=scrach"], ["impl=scrach", "did you mean 'scratch'", "native", "importable package"]),
    (["data=minst"], ["data=minst", "did you mean 'mnist'", "digits"]),
    (["optimizer=adm"], ["optimizer=adm", "did you mean 'adam'", "sgd"]),
    (["experiment=lenet_minst"], ["experiment=lenet_minst", "lenet_mnist", "lenet_sigmoid"]),
    (["modle=lenet"], ["modle", "unknown key", "did you mean 'model'"]),
    (["optimizer.learning_rate=1"], ["optimizer.learning_rate", "unknown key", "lr"]),
    (["trainer.max_epoch=1"], ["trainer.max_epoch", "did you mean 'max_epochs'"]),
    (["optimizer.lr=-0.1"], ["learning rate", "-0.1"]),
    (["optimizer.lr=fast"], ["optimizer", "fast"]),
    (["data.batch_size=0"], ["data.batch_size=0", "at least 1"]),
    (["model=mlp", "model.width=3000000"], ["model: ", "allocate memory", "36000000000000 bytes"]),
    (["threads=0"], ["threads=0", "at least 1"]),
    (["threads=1.5"], ["threads=1.5", "whole number"]),
    (["data.batch_size=many"], ["data.batch_size=many", "number"]),
    (["trainer.max_epochs=0"], ["trainer.max_epochs=0", "at least 1"]),
    (["trainer.accelerator=abacus"], ["trainer", "abacus"]),
    (["trainer.precision=12"], ["trainer", "12"]),
    (["data.image_size=30"], ["data.image_size=30", "28", "32"]),
    (["model.variant=relu6"], ["model.variant=relu6", "tanh, sigmoid, relu"]),
    (["model=mlp", "model.activation=Relu"], ["model.activation=Relu", "did you mean 'ReLU'"]),
    (["model=mlp", "model.depth=-1"], ["model.depth=-1", "at least 0"]),
    (["model=mlp", "model.dropout=1"], ["model.dropout=1", "less than 1"]),
    (["model=rbf", "model.centres=mean"], ["model.centres=mean", "did you mean 'kmeans'", "random"]),
    (["model=rbf", "model.units=1"], ["model.units=1", "at least 2"]),
    (["seed=-1"], ["seed=-1", "at least 0"]),
    (["ckpt_path=nowhere.ckpt"], ["nowhere.ckpt", "no such file"]),
    (["impl.layers=torch.optim"], ["torch.optim", "CrossEntropyLoss"]),
    (["impl.optim=torch.nn"], ["torch.nn", "has no 'Adam'"]),
    (["impl="], ["impl", "scratch", "native"]),
    (["model.variant"], ["model.variant"]),
    (["trainer.max_epochs=["], ["trainer.max_epochs=["]),
    # optimizers and schedulers
    (["optimizer.betas=[0.9]"], ["optimizer Adam", "'betas': [0.9]"]),
    (["optimizer.betas=[0.9,1.5]"], ["optimizer Adam", "1.5"]),
    (["optimizer=sgd", "optimizer.nesterov=true"], ["optimizer SGD", "momentum"]),
    (["optimizer=sparse_adam"], ["optimizer SparseAdam", "sparse gradients only"]),
    (["optimizer=muon"], ["optimizer Muon", "2D"]),
    (["optimizer=nesterov", "impl=native"], ["torch.optim", "has no 'Nesterov'"]),
    (["optimizer=adam_uncorrected", "impl=native"], ["optimizer Adam", "bias_correction"]),
    (["scheduler=cosin"], ["scheduler=cosin", "did you mean 'cosine'", "one_cycle"]),
    (["scheduler=cosine", "scheduler.interval=hour"], ["scheduler.interval=hour", "epoch, step"]),
    (["scheduler=cosine", "+scheduler.scheduler.eta=1"], ["CosineAnnealingLR", "'eta'"]),
    (["scheduler=step", "scheduler.scheduler.step_size=0"], ["StepLR", "'step_size': 0", "zero"]),
    (["scheduler=exponential", "scheduler.scheduler.gamma=fast"], ["ExponentialLR", "'gamma': 'fast'"]),
    (["scheduler=reduce_on_plateau", "scheduler.scheduler.factor=2"], ["ReduceLROnPlateau", "< 1.0"]),
    # the trainer, its strategy and callbacks
    (["trainer=cp"], ["trainer=cp", "did you mean 'cpu'", "ddp_cpu"]),
    (["trainer.devices=0"], ["trainer", "devices=0"]),
    (["trainer.devices=two"], ["trainer", "int > 0"]),
    (["trainer.strategy=dpp"], ["trainer.strategy", "unknown key"]),
    (["+trainer.strategy=dpp"], ["trainer", "dpp"]),
    (["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"], ["trainer=fsdp", "LeNet", "trainer=ddp"]),
    (["trainer.max_epochs=1.5"], ["trainer.max_epochs=1.5", "whole number"]),
    (["trainer.accumulate_grad_batches=0"], ["trainer.accumulate_grad_batches=0", "at least 1"]),
    (["trainer.gradient_clip_val=-1"], ["trainer.gradient_clip_val=-1", "at least 0"]),
    (["trainer.log_every_n_steps=-1"], ["trainer.log_every_n_steps=-1", "at least 0"]),
    (["+trainer.limit_train_batches=1.5"], ["trainer", "limit_train_batches", "1.5"]),
    (["+trainer.nonsense=1"], ["trainer", "'nonsense'"]),
    (["callbacks=defaul"], ["callbacks=defaul", "did you mean 'default'", "swa"]),
    (["callbacks=[default,swaa]"], ["callbacks=swaa", "did you mean 'swa'", "early_stopping"]),
    (["callbacks=[default,swa]", "callbacks.swa.start=2"], ["callbacks.swa.start=2", "less than 1"]),
    (["callbacks.last.minutes=often"], ["callbacks.last.minutes=often", "number"]),
    (["callbacks.last.steps=0"], ["callbacks.last.steps=0", "at least 1"]),
    (["callbacks.checkpoint.mode=up"], ["callbacks.checkpoint", "min, max", "up"]),
    (["logger=cvs"], ["logger=cvs", "did you mean 'csv'", "tensorboard"]),
    # everything else of a run
    (["seed=1.5"], ["seed=1.5", "whole number"]),
    (["paths.run=/proc/nowhere/run"], ["paths.run=/proc/nowhere/run", "No such file"]),
    (["tags=first"], ["tags=first", "tags=[first]"]),
    (["penalty.l1=-1"], ["penalty.l1=-1", "at least 0"]),
    (["penalty.l2=strong"], ["penalty.l2=strong", "number"]),
    (["compile=inducto"], ["compile=inducto", "did you mean 'inductor'"]),
    (["tune=rate"], ["tune=rate", "legal are lr"]),
    (["tune=lr", "tuning.factor=2"], ["tuning.factor=2", "between 0 and 1"]),
    (["tune=lr", "tuning.steps=1"], ["tuning.steps=1", "at least 4"]),
    (["tune=lr", "trainer.precision=12"], ["trainer", "12"]),
    (["tune=lr", "trainer=ddp_cpu"], ["tune=lr", "trainer=cpu"]),
    (["ckpt_path=last"], ["ckpt_path=last", "no checkpoint in runs/lenet-digits-scratch"]),
    (["init_from=."], ["init_from=.", "without checkpoints/best.ckpt"]),
    (["init_from=nowhere.ckpt"], ["init_from=nowhere.ckpt", "no such file"]),
    (["ckpt_path=."], ["ckpt_path=.", "without checkpoints/last.ckpt"]),
    # what is no group, no path, no number, and what nothing reads
    (["callbacks=1"], ["callbacks=1: ", "must be a string"]),
    (["callbacks=null"], ["callbacks=null: "]),
    (["callbacks=[]"], ["callbacks"]),
    (["model=null"], ["model=null: "]),
    (["callbacks.progress=1"], ["callbacks.progress=1", "must be null"]),
    (["paths.run=null"], ["paths.run=None", "must be a path"]),
    (["paths.run=[a]"], ["paths.run=['a']", "must be a path"]),
    (["paths.run=5"], ["paths.run=5", "quotation marks"]),
    (["paths.runs=null"], ["paths.runs=None", "must be a path"]),
    (["name=" + "a" * 300], ["name=aaa", "255 bytes"]),
    (["callbacks.last.path=null", "callbacks.checkpoint.dirpath=5"], ["callbacks.checkpoint.dirpath=5", "path"]),
    (["paths.run=a=b"], ["paths.run=a=b", "'paths.run=\"a=b\"'"]),
    (["paths.run=☃"], ["'paths.run=\"☃\"'"]),
    (["optimizer.lr=True"], ["optimizer.lr=True", "number"]),
    (["+trainer.max_steps=1.5"], ["trainer.max_steps=1.5", "whole number"]),
    (["callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=-1"], ["patience=-1", "at least 0"]),
    (["+new=1"], ["+new=1", "nothing reads new"]),
    (["+penalty.l3=1"], ["penalty=l3", "l1, l2"]),
    (["+trainer.val_check_interval=0"], ["trainer.val_check_interval=0", "above 0"]),
    (["+trainer.limit_train_batches=0"], ["trainer.limit_train_batches=0", "above 0"]),
    (["+trainer.limit_val_batches=0"], ["limit_val_batches=0", "callbacks.checkpoint.monitor=null"]),
    (["tune=lr", "tuning.largest=inf"], ["tuning.largest=inf", "less than inf"]),
    # models and data, and whether they go together
    (["model=mlp", "model.width=2.5"], ["model.width=2.5", "whole number"]),
    (["model=gru", "model.cell=LSTMM"], ["model.cell=LSTMM", "did you mean 'LSTM'", "RNN_relu"]),
    (["model=gru", "model.memory=1"], ["model.memory=1", "at least 2"]),
    (["model=gcn", "model.hidden=5"], ["model.hidden=5", "a list"]),
    (["model=gcn", "model.head=conv"], ["model.head=conv", "convolution, linear"]),
    (["model=graph_gcn", "model.readout=median"], ["model.readout=median", "mean, sum, max"]),
    (["model=char_gru", "data.shuffle=true"], ["data.shuffle=true", "in order"]),
    (["model=bert", "data.length=65"], ["data.length=65", "model.context=64"]),
    (["model=bert", "data.words=10"], ["data.words=10", "at least 300"]),
    (["model=bert", "data=text"], ["BERT", "do not go together", "vocabulary"]),
    (["model=gpt", "model.size=large"], ["model.size=large", "tiny, small, base"]),
    (["model=gpt", "data.length=65"], ["data.length=65", "model.context=64"]),
    (["model=transformer", *DATES, "model.heads=3"], ["model.heads=3", "model.d_model=128"]),
    (["model=transformer", *DATES, "model.share=al"], ["model.share=al", "did you mean 'all'", "target"]),
    (["model=seq2seq", *DATES, "model.attention=loung"], ["model.attention=loung", "additive, dot, general"]),
    (["model=gat", "data=relations"], ["model=gat", "several kinds"]),
    (["model=gat", "model.heads=0"], ["model.heads=0", "at least 1"]),
    (["model=lenet", "data=karate"], ["LeNet", "do not go together", "num_relations"]),
    (["model=gcn", "data=digits"], ["GCN", "do not go together", "image_size"]),
    (["model=mlp", "model.norm=bach"], ["model.norm=bach", "did you mean 'batch'", "none, batch, layer"]),
    (["model.norm=batch", "data.batch_size=8"], ["data.batch_size=8", "1257", "model.norm=batch needs two or more"]),
    (["model=transformer", *DATES, "model.positions=no"], ["model.positions=no", "sinusoidal, none"]),
    (["model=autoencoder", "model.code=0"], ["model.code=0", "at least 1"]),
    (["model=resnet", "model.depth=18"], ["model.depth=18", "6 n + 2", "20"]),
    (["model=resnet", "model.size=large"], ["model.size=large", "tiny, small, base"]),
    (["model=resnet", "model.norm=group"], ["model.norm=group", "none, batch, layer"]),
    (["model=vae", "data.pixels=raw"], ["data.pixels=raw", "unit"]),
    (["model=vae", "model.code=0"], ["model.code=0", "at least 1"]),
    (["model=diffusion", "model.width=12"], ["model.width=12", "multiple of 8"]),
    (["model=diffusion", "model.steps=20"], ["model.steps=20", "at least 21"]),
    (["model=diffusion", "data.image_size=9"], ["data.image_size=9", "even"]),
    (["model=vit", "model.patch=5"], ["model.patch=5", "data.image_size=32"]),
    (["model=vit", "model.heads=3"], ["model.heads=3", "model.d_model=64"]),
    (["data.pixels=grey"], ["data.pixels=grey", "standardised, unit, raw"]),
    (["data=mnist", "data.validate=first"], ["data.validate=first", "stratified, last"]),
    (["data.scale=2"], ["data.scale=2", "less than 1"]),
    (["data.batch_size=2.5"], ["data.batch_size=2.5", "whole number"]),
    (["model=char_gru", "data.path=nowhere.txt"], ["data.path=nowhere.txt", "No such file"]),
    (["model=char_gru", "data.length=0"], ["data.length=0", "at least 1"]),
    (["model=gru", "data.read=column"], ["data.read=column", "row, pixel"]),
    (["model=gru", "data=adding", "data.vary=-1"], ["data.vary=-1", "at least 0"]),
    (["model=gcn", "data.neighbours=[0]"], ["data.neighbours=0", "at least 1"]),
    (["model=graph_gcn", "data.graphs=3"], ["data.graphs=3", "at least 20"]),
    (["model=transformer", *DATES, "data.tokens=3"], ["data.tokens=3", "alone has"]),
    # the other scripts; MADE is a folder with checkpoints of the three kinds
    (["seeds", "threads=0"], ["threads=0", "at least 1"]),
    (["claims", "threads=0"], ["threads=0", "at least 1"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "threads=0"], ["threads=0", "at least 1"]),
    (["verify", "threads=0"], ["threads=0", "at least 1"]),
    (["seeds", "seeds=0"], ["seeds=0", "at least 1"]),
    (["seeds", "tune=lr"], ["tune=lr", "scripts/train.py alone"]),
    (["seeds", "ckpt_path=last"], ["ckpt_path=last", "scripts/train.py alone"]),
    (["verify", "model=lenett"], ["model=lenett", "did you mean 'lenet'"]),
    (["verify", "steps=-1"], ["steps=-1", "at least 0"]),
    (["verify", "reference=nativ"], ["impl=nativ", "did you mean 'native'"]),
    (["benchmark", "what=everything"], ["what=everything", "layers", "optimizers"]),
    (["benchmark", "only=[conv_1_7]"], ["only=conv_1_7", "did you mean 'conv_1_6'"]),
    (["benchmark", "peers=[jxa]"], ["peers=jxa", "did you mean 'jax'", "autograd", "torch_geometric"]),
    (["benchmark", "peers=jax"], ["peers=jax", "peers=[jax]"]),
    (["benchmark", "clock=sun"], ["clock=sun", "wall", "cpu"]),
    (["benchmark", "threads=0"], ["threads=0", "at least 1"]),
    (["benchmark", "device=tpu"], ["device=tpu", "cpu, cuda"]),
    (["benchmark", "what=model", "batch_sizes=5"], ["batch_sizes=5", "batch_sizes=[5]"]),
    (["generate"], ["ckpt: which checkpoint?"]),
    (["generate", "ckpt=nowhere"], ["ckpt=nowhere", "no such file"]),
    (["generate", "ckpt=MADE/mlp.ckpt"], ["mlp.ckpt", "zoo.mlp.MLP", "no language model"]),
    (["generate", "ckpt=MADE/text.ckpt", "temperature=-1"], ["temperature=-1", "at least 0"]),
    (["generate", "ckpt=MADE/text.ckpt", "top_k=0"], ["top_k=0", "at least 1"]),
    (["generate", "ckpt=MADE/text.ckpt", "prompt=abcabd"], ["prompt", "'d'", "'abc'"]),
    (["generate", "ckpt=MADE/text.ckpt", "lenght=9"], ["lenght", "did you mean 'length'"]),
    (["generate", "ckpt=MADE/text.ckpt", "impl=nativ"], ["impl=nativ", "did you mean 'native'"]),
    (["translate"], ["ckpt: which checkpoint?"]),
    (["translate", "ckpt=MADE"], ["without checkpoints/best.ckpt"]),
    (["translate", "ckpt=MADE/mlp.ckpt", "text=x"], ["zoo.mlp.MLP", "no model of translation"]),
    (["translate", "ckpt=MADE/dates.ckpt", "text=x", "beam=0"], ["beam=0", "at least 1"]),
    (["translate", "ckpt=MADE/dates.ckpt", "text=x", "length_penalty=-1"], ["length_penalty=-1", "at least 0"]),
    (["translate", "ckpt=MADE/dates.ckpt", "text=x", "impl=torch.optim"], ["torch.optim", "has no"]),
    (["eval"], ["ckpt: which checkpoint?"]),
    (["eval", "ckpt=nowhere"], ["ckpt=nowhere", "no such file"]),
    (["eval", "ckpt=MADE/broken.ckpt"], ["broken.ckpt", "damaged"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "model=lenet"], ["zoo.mlp.MLP", "zoo.lenet.LeNet"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "model.width=32"], ["network.1.weight", "(16, 64)", "(32, 64)"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "data.batchsize=9"], ["data.batchsize", "did you mean 'batch_size'"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "data.image_size=9"], ["image_size=8", "image_size=9"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "data=karate"], ["num_classes=10", "num_classes=4"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "optimizer=sgd"], ["optimizer=sgd", "no group of this script"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "trainer.precision=12"], ["trainer", "12"]),
    (["eval", "ckpt=MADE/mlp.ckpt", "impl=torch.optim"], ["torch.optim", "has no"]),
    (["export"], ["ckpt: which checkpoint?"]),
    (["export", "ckpt=MADE/mlp.ckpt", "trainer=cpu"], ["trainer=cpu", "no group of this script"]),
    (["export", "ckpt=MADE/mlp.ckpt", "data.image_size=9", "to=there"], ["image_size=8", "image_size=9"]),
    (["compare", "MADE"], ["which runs?", "two"]),
    (["compare", "MADE", "nowhere"], ["MADE", "no config.yaml"]),
    (["compare", "nowhere", "MADE"], ["nowhere", "no such folder"]),
    (["compare", "MADE", "nowhere", "--out=x.doc"], ["--out x.doc", ".png"]),
]
SCRIPTS = ("seeds", "verify", "benchmark", "generate", "translate", "eval", "export", "compare", "claims")  # else train


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with small checkpoints that nobody has trained, and a broken one."""
    folder = tmp_path_factory.mktemp("MADE")
    words = Vocabulary.of_characters(["abc"]).text
    data = {"_target_": "zoo.data.digits.Digits", "image_size": 8, "batch_size": 64}
    models = {
        "mlp": MLP(width=16, depth=1, image_size=8),
        "text": LanguageModel(cell="GRU", embedding=4, hidden=4, alphabet="abc"),
        "dates": Seq2Seq(cell="GRU", embedding=4, hidden=4, source_vocabulary=words, target_vocabulary=words),
    }
    for name, model in models.items():
        options = dict(model.hparams)
        kind = f"{type(model).__module__}.{type(model).__name__}"
        asked = {"_target_": kind, "layers": "zoo.layers", "width": 16}
        config = {"name": name, "model": asked, "data": data, "trainer": {"precision": "32-true"}}
        kept = {"state_dict": model.state_dict(), "hyper_parameters": options, "config": config}
        torch.save({**kept, "epoch": 0, "global_step": 0}, folder / f"{name}.ckpt")
    (folder / "broken.ckpt").write_bytes((folder / "mlp.ckpt").read_bytes()[:1000])
    return folder


@pytest.mark.parametrize(("words", "parts"), WRONG, ids=lambda value: " ".join(value))
def test_one_clear_line(words, parts, made, call, capsys):
    script, *others = words if words[0] in SCRIPTS else ["train", *words]
    status = call(script, *(word.replace("MADE", str(made)) for word in others))
    err = capsys.readouterr().err
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["callbacks.checkpoint.monitor=val/los"],
        ["callbacks=[default,early_stopping]", "callbacks.early_stopping.monitor=val/los"],
        ["scheduler=reduce_on_plateau", "scheduler.monitor=val/los"],
    ],
    ids=" ".join,
)
def test_a_quantity_that_is_not_measured(words, start, capsys):
    """What a model measures is known after the first validation only."""
    quick = ["model=mlp", "data.image_size=8", "impl=native", "logger=csv", "trainer.max_epochs=2"]
    assert start(*quick, "+trainer.limit_train_batches=1", "callbacks.progress=null", *words) == 2
    assert capsys.readouterr().err.startswith("error: monitor=val/los: unknown, did you mean 'val/loss'?; legal are ")


def test_the_traceback_comes_when_asked_for(call, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(Exception, match="lenett"):
        call("train", "model=lenett")


def test_a_checkpoint_of_another_model(start, capsys):
    quick = ["impl=native", "trainer.max_epochs=1", "paths.run=made", "+trainer.limit_train_batches=1"]
    assert start("model=mlp", *quick) == 0
    capsys.readouterr()
    again = ["ckpt_path=made/checkpoints/last.ckpt", "paths.run=never"]
    status, err = start("model=lenet", *again), capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1)
    assert "zoo.mlp.MLP" in err
    assert "zoo.lenet.LeNet" in err
    status, err = start("model=mlp", "model.width=32", *again), capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1)
    assert "width=256" in err
    assert "width=32" in err
    Path("made/checkpoints/last.ckpt").write_bytes(b"not a checkpoint")
    status, err = start("model=mlp", *again), capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1)
    assert "damaged" in err
    assert not Path("never").exists()


def test_labels_out_of_range(start, monkeypatch, capsys):
    from zoo.data.digits import Digits
    from zoo.data.images import Images

    splits = {name: Images(torch.zeros(4, 1, 32, 32), torch.tensor([0, 1, 10, 2])) for name in ("train", "val", "test")}
    monkeypatch.setattr(Digits, "load", lambda self: splits)
    status, err = start(), capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1)
    assert "label 10 out of range; legal are 0 to 9" in err


def test_pictures_of_another_size(start, monkeypatch, capsys):
    from zoo.data.digits import Digits
    from zoo.data.images import Images

    splits = {name: Images(torch.zeros(4, 1, 8, 8), torch.zeros(4).long()) for name in ("train", "val", "test")}
    monkeypatch.setattr(Digits, "load", lambda self: splits)
    status, err = start(), capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1)
    assert "(1, 8, 8)" in err
    assert "(1, 32, 32)" in err
