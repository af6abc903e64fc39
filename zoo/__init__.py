"""Models, their data, and all that a training run needs, written once against a namespace of layers.

The models, each a Lightning module: lenet.py, mlp.py, resnet.py, vit.py, perceptron.py, rbf.py (classes of pictures),
autoencoder.py, vae.py, diffusion.py (pictures), recurrent.py (classes and numbers from sequences), language_model.py,
gcn.py, seq2seq.py and transformer.py (translation).

base/         their base classes: classifiers, regressors, translators, models that draw
layers/       the native namespace: torch.nn's names, and the layers that torch.nn lacks
data/         the data, one source a file
text/         vocabularies, decoding, sampling, metrics of texts
callbacks/    what goes on during a run: checkpoints, checks, pictures
training/     a run, from the command line to its folder
tools/        evaluation, export, comparison, many seeds, verification, benchmark
claims/       experiments: what lecture notes claim, run and judged
core/         errors, the switch between implementations, files, several processes

guard.py is the former name of tools/rerun.py.
"""
