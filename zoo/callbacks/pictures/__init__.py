"""Pictures of a run, drawn into the folder pictures/ of the run's folder.

curves.py        every run: learning curves
classifier.py    classifiers: confusion matrix, and of images the worst mistakes
nodes.py         GCN: the nodes of the graph as the network sees them, while it learns
gradient.py      recurrent models: the gradient by each step of the sequence
attention.py     translation models: the attention's weights for one sentence

A picture is a callback. conf/callbacks/default.yaml has that of every run; a model names its own in
``configure_callbacks``, so that they come without any configuration.
"""
