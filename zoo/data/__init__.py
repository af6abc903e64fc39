"""Data, as Lightning data modules, one source a file.

Images:            digits.py, mnist.py (and Fashion-MNIST); images.py is their base class
Sequences:         sequences.py: the adding problem, copy memory, images pixel by pixel or row by row
Text:              text.py
Pairs of texts:    dates.py, multi30k.py; translation.py is their base class
Graphs:            karate.py, planetoid.py (Cora, CiteSeer, PubMed), graphs.py; nodes.py is the base class of graphs
                   whose nodes are classified, neighbours.py samples them
pickled.py         numbers from files in Python's pickle format, which are never unpickled
published.py       whether a file is the published one
loader.py          the batches of all of them, in an order that can be resumed
"""
