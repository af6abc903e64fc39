"""Text: what language and translation models share.

vocabulary.py    text to token numbers and back
decoding.py      sentences from a translation model: greedy decoding and beam search
sampling.py      characters from a language model, drawn at random
metrics.py       perplexity, exact match, BLEU
"""
