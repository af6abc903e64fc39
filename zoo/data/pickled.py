"""Arrays, sparse matrices and lists from files in Python's pickle format, read without unpickling.

To unpickle a file is to run it: it names functions and calls them. Here its instructions are only read. What they would
call becomes a `Call`, from which `array` and `neighbours` take the numbers.
"""

import pickletools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Call:
    """What a pickle would make: ``name(*args)``, then set its state and its items."""

    name: str  # "module function"
    args: tuple[Any, ...]
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)


MARK = object()
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
GIVEN = {
    "BININT",
    "BININT1",
    "BININT2",
    "BINSTRING",
    "SHORT_BINSTRING",
    "BINUNICODE",
    "GLOBAL",
}  # an instruction with its value


def parsed(content: bytes) -> Any:
    """What a pickle describes. Raises ValueError for an instruction that data do not need."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}

    def since_mark() -> list[Any]:
        start = len(stack) - 1 - stack[::-1].index(MARK)
        found = stack[start + 1 :]
        del stack[start:]
        return found

    def popped(count: int) -> list[Any]:
        found = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return found

    for code, value, _ in pickletools.genops(content):
        name = code.name
        if name in GIVEN:
            stack.append(value)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name == "MARK":
            stack.append(MARK)
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append([] if name == "EMPTY_LIST" else {})
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[value] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[value])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(popped(int(name[-1]))))
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("APPEND", "APPENDS"):
            new = popped(1) if name == "APPEND" else since_mark()
            stack[-1].extend(new)
        elif name in ("SETITEM", "SETITEMS"):
            new = popped(2) if name == "SETITEM" else since_mark()
            target = stack[-1].items if isinstance(stack[-1], Call) else stack[-1]
            target.update(zip(new[::2], new[1::2], strict=True))
        elif name in ("REDUCE", "NEWOBJ"):
            stack.append(Call(*popped(2)))
        elif name == "BUILD":
            (state,) = popped(1)
            stack[-1].state = state
        elif name == "STOP":
            return stack.pop()
        elif name != "PROTO":
            raise ValueError(f"the instruction {name}, which data do not need")
    raise ValueError("no end")


def read_pickled(path: Path) -> Any:
    """What a file describes, see `parsed`. Raises ValueError for a damaged one."""
    try:
        return parsed(path.read_bytes())
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"not the format of a pickle: {error}") from error


def array(call: Any) -> np.ndarray:
    """The array of numbers, or the sparse matrix made dense. Raises ValueError for anything else."""
    try:
        if call.name in ("scipy.sparse.csr csr_matrix", "scipy.sparse._csr csr_matrix"):  # of Python 2, and of 3
            rows = array(call.state["indptr"])
            dense = np.zeros(call.state["_shape"], np.float32)
            where = np.repeat(np.arange(len(dense)), np.diff(rows))
            np.add.at(dense, (where, array(call.state["indices"])), array(call.state["data"]))
            return dense
        if call.name not in ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"):
            raise ValueError(f"{call.name}, and no array")
        _, shape, kind, by_columns, content = call.state
        if isinstance(content, Call) and content.name == "_codecs encode":  # bytes in Python 3
            content = content.args[0]
        dtype = np.dtype(kind.state[1].strip("|=") + kind.args[0])
        if kind.name != "numpy dtype" or dtype.kind not in "iufb":
            raise ValueError(f"an array of {dtype}")
        numbers = np.frombuffer(content.encode("latin-1"), dtype)
        return numbers.reshape(shape, order="F" if by_columns else "C").astype(dtype.newbyteorder("="))
    except (AttributeError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"no array: {error}") from error


def neighbours(call: Any) -> dict[int, list[int]]:
    """The neighbours of each node, in a dictionary. Raises ValueError for anything else."""
    found = call.items if isinstance(call, Call) else None
    if not found or not all(isinstance(i, int) for node, others in found.items() for i in (node, *others)):
        raise ValueError("no dictionary of nodes and their neighbours")
    return found
