"""Base classes of the models: what models of one kind share.

trainable.py     every model: optimizer, schedule of the learning rate, penalty on the weights
classifier.py    models that give a class
regressor.py     models that give numbers
translator.py    models that translate one text into another
generative.py    models that learn to draw pictures
writer.py        models that write a text character by character

norms.py, sizes.py and found_words.py are what models with a choice of normalisation or of size, and those that name
words, have in common.
"""
