"""What the chapters use besides the pages themselves: the tape, and their pictures.

tape.py      the engine of chapter 2
graph.py     computation graphs, of the tape or of a model, drawn with values and gradients
pictures.py  how the chapters' pictures look, which language they speak, and the things to move
"""
