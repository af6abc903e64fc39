"""The tools beside training, each behind the script of its name: scripts/benchmark.py runs zoo/tools/benchmark.py.

From a checkpoint:
eval.py          validation and test
export.py        weights and network as files for others
generate.py      text that a language model writes
translate.py     translations

Many runs:
compare.py       runs beside each other
seeds.py         one recipe under many seeds
sweep.py         a search for good values, by train.py sweep=optuna

An implementation beside a reference:
verify.py        are outputs, gradients and training of a model the same?
layer_table.py   the same for every layer, by verify.py layers
benchmark.py     time and memory; measure.py measures them

rerun.py         a training step that ended at NaN, by python -m zoo.tools.rerun
race.py          a picture of the optimizers
"""
