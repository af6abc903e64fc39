"""Callbacks are asked for the hooks that they have, and for no others."""

from lightning import Callback
from lightning.pytorch.trainer import call

from tests.zoo.runs import PLAIN, SHORT, composed
from zoo.callbacks.finite import Finite
from zoo.core.hooks import leave_out_empty
from zoo.training import run


class One(Callback):
    def on_train_start(self, trainer, pl_module):
        pass


def test_only_what_is_inherited_is_left_out():
    own, derived = One(), type("Derived", (One,), {})()
    leave_out_empty([own, derived])
    for callback in (own, derived):
        assert callable(callback.on_train_start)
        assert callable(callback.on_save_checkpoint)  # Lightning asks for these without a look
        assert callable(callback.setup)
        assert not callable(callback.on_train_end)


def test_a_run_calls_no_empty_hook(tmp_path, monkeypatch):
    called = set()
    hooks = call._call_callback_hooks

    def noted(trainer, name, *args, **options):
        called.update((type(each), name) for each in trainer.callbacks if callable(getattr(each, name)))
        hooks(trainer, name, *args, **options)

    monkeypatch.setattr(call, "_call_callback_hooks", noted)
    run.train(composed(*PLAIN, *SHORT, f"paths.run={tmp_path}"))
    assert {name for kind, name in called if kind is Finite} == {
        *("setup", "teardown", "on_train_batch_start", "on_before_backward")
    }
