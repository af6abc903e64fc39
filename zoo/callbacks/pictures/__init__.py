"""Pictures of a run, drawn into the folder pictures/ of the run's folder.

curves.py        every run: learning curves
classifier.py    classifiers: confusion matrix, and of images the worst mistakes
nodes.py         GCN, GAT, SAGE: the nodes of the graph as the network sees them, while it learns
gradient.py      recurrent models: the gradient by each step of the sequence
reconstructions.py  autoencoders: pictures, and what they make of them
latent_walk.py   autoencoders: from one code to another, and what random codes decode to
clearing_up.py   diffusion: pictures as they come out of noise
attention.py     translation models: the attention's weights for one sentence

callbacks=[default,pictures/NAME] adds one of these:
gradient_by_depth.py   the gradient of each layer's weights
embedding_by_depth.py  the test examples as each layer sees them

A picture is a callback. conf/callbacks/default.yaml has that of every run; a model names its own in
``configure_callbacks``, so that they come without any configuration.
"""
