"""Vocabularies: texts survive the way to numbers and back, and special tokens cannot be written by accident."""

import pytest

from zoo.text.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary

LINES = [
    "Two young, White males are outside near many bushes.",
    "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
    'A "small" man\'s t-shirt  costs 3.50 in <eos> land; the man <pad>',
    "",
    "ends with spaces  ",
] * 3
BUILDERS = {
    "characters": Vocabulary.of_characters,
    "pieces": lambda lines: Vocabulary.of_pieces(lines, 120),
}


@pytest.fixture(params=BUILDERS)
def vocabulary(request) -> Vocabulary:
    return BUILDERS[request.param](LINES)


def test_texts_return_unchanged(vocabulary):
    numbers = vocabulary.encode_lines(LINES)
    for line, ids in zip(LINES, numbers, strict=True):
        assert ids == vocabulary.encode(line)
        assert all(UNK < token < len(vocabulary) for token in ids)  # "<eos>" is five characters
        assert vocabulary.decode(ids) == line


def test_the_json_text_is_the_vocabulary(vocabulary):
    again = Vocabulary(vocabulary.text)
    assert again.text == vocabulary.text
    assert len(again) == len(vocabulary)
    assert again.encode_lines(LINES) == vocabulary.encode_lines(LINES)
    assert again.tokens(range(len(again))) == vocabulary.tokens(range(len(vocabulary)))


def test_special_tokens(vocabulary):
    assert vocabulary.tokens([PAD, BOS, EOS, UNK]) == SPECIALS
    ids = vocabulary.encode("man")
    assert vocabulary.decode([BOS, *ids, PAD, EOS, *ids, EOS]) == "man"
    unknown = vocabulary.encode("man世")
    assert unknown.count(UNK) == 1
    assert vocabulary.decode(unknown) == "man"


def test_frequent_pieces_become_tokens():
    pieces = Vocabulary.of_pieces(LINES, 120)
    assert len(pieces) == 120
    assert len(Vocabulary.of_pieces(LINES, 60)) < len(pieces) < len(Vocabulary.of_pieces(LINES, 10**6))
    assert pieces.tokens(pieces.encode("man.")) == ["▁man", "."]
    assert len(pieces.encode(LINES[0])) < len(Vocabulary.of_characters(LINES).encode(LINES[0]))


def test_capitals_are_read_as_small_letters():
    pieces = Vocabulary.of_pieces(LINES, 120, lowercase=True)
    again = Vocabulary(pieces.text)  # as a checkpoint has it
    for line in LINES:
        assert again.decode(again.encode(line)) == line.lower()
    assert again.encode("Männer ÄHNLICH") == again.encode("männer ähnlich")
