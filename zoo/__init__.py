"""Models, data and training as Lightning modules, written once against a namespace of layers.

layers.py        the native namespace: torch.nn's names, and the graph convolutions that torch.nn lacks
namespace.py     the switch: a package's name becomes the layers a model is built from
lenet.py mlp.py  the models; classification.py is what they share
data/            one source of data a file
run.py           a run from its configuration to its folder
"""
