"""Vocabularies: text to token numbers and back, by Hugging Face's tokenizers.

The tokens are characters, or pieces of words found by byte pair encoding. This starts with the characters, and makes
the most frequent pair of neighbouring tokens in a training text a token of its own, again and again, until there are
`size` tokens. So frequent words become whole tokens, and rare ones are split into pieces.
Source: Sennrich, Haddow and Birch, Neural machine translation of rare words with subword units (2016).
"""

from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, BOS, EOS, UNK = range(4)  # padding, beginning and end of a sequence, and an unknown character
SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"]


class Vocabulary:
    """The vocabulary that the JSON text of a tokenizer describes, whose first four tokens are `SPECIALS`.

    `text` is this JSON text. As a plain string it can be stored in a checkpoint.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokenizer = Tokenizer.from_str(text)
        self._tokenizer.encode_special_tokens = True  # so that "<eos>" in a text is five characters

    @classmethod
    def of_characters(cls, lines: Iterable[str]) -> "Vocabulary":
        """The vocabulary of all characters in the lines."""
        tokens = [*SPECIALS, *sorted(set().union(*lines))]
        tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, [], unk_token=SPECIALS[UNK]))
        tokenizer.decoder = decoders.Fuse()
        return cls(tokenizer.to_str())

    @classmethod
    def of_pieces(cls, lines: Iterable[str], size: int, lowercase: bool = False) -> "Vocabulary":
        """The vocabulary of `size` characters and pieces of words, or fewer where the lines do not have as many.

        No piece extends across a space or a punctuation mark. The space before a word is part of its first piece,
        written ▁, and a line is read as if it began with one. With `lowercase`, capitals are read as small letters.
        """
        tokenizer = Tokenizer(models.BPE(unk_token=SPECIALS[UNK]))
        if lowercase:
            tokenizer.normalizer = normalizers.Lowercase()
        words = [pre_tokenizers.Metaspace(), pre_tokenizers.Split(Regex(r"\p{P}"), "isolated")]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(words)
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIALS, show_progress=False)
        tokenizer.train_from_iterator(lines, trainer)
        return cls(tokenizer.to_str())

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """The numbers of the text's tokens, without BOS and EOS."""
        return self._tokenizer.encode(text).ids

    def encode_lines(self, lines: Sequence[str]) -> list[list[int]]:
        """`encode` for each line, on all cores."""
        return [line.ids for line in self._tokenizer.encode_batch_fast(list(lines))]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the tokens up to the first EOS, without special ones."""
        ids = list(ids)
        end = ids.index(EOS) if EOS in ids else len(ids)
        return self._tokenizer.decode([token for token in ids[:end] if token > UNK])

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Each token as the vocabulary writes it, for pictures."""
        return [str(self._tokenizer.id_to_token(token)) for token in ids]
