"""The frame of every script: Hydra's command line, and mistakes that end in one line.

`mistakes_in_one_line` is where a UsageError becomes a line on standard error and exit status 2, and a Failure a line
and status 1. This file imports nothing heavy, so that ``--help`` answers at once.
"""

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from zoo.core import signals
from zoo.core.errors import Failure, UsageError, did_you_mean, listing
from zoo.core.streams import Lasting, allow_warnings, make_lasting
from zoo.core.trust import heed

PACKAGE = Path(__file__).parents[1]
CONF = next(path for path in (PACKAGE / "conf", PACKAGE.parent / "conf") if path.is_dir())  # installed, or a checkout


def command(
    task: Callable[[DictConfig], Any], config: str, prepare: Callable[[list[str]], None] = lambda words: None
) -> None:
    """Compose conf/<config>.yaml with the words of the command line, and call `task` with it.

    Args:
        prepare: called with the words before, to offer Hydra more choices.

    A mistake of the user's ends in one line on standard error and exit status 2. The environment variable
    HYDRA_FULL_ERROR=1 asks for the traceback instead.
    """
    # Below, HYDRA_FULL_ERROR is always 1, for the processes started from here, too; HANDGRAD_TRACEBACK tells them what
    # the user had asked for.
    wish = os.environ.get("HANDGRAD_TRACEBACK") or os.environ.get("HYDRA_FULL_ERROR", "0")
    traceback_wanted = wish == "1"
    make_lasting()
    allow_warnings()
    before: dict[int, Any] = {}
    sys.argv[1:] = [f"impl@{word}" if word.startswith("reference=") else word for word in sys.argv[1:]]
    failed: list[str] = []  # jobs of -m

    def guarded(cfg: DictConfig) -> None:
        try:
            with mistakes_in_one_line(traceback_wanted):  # inside of Hydra, too, which would add lines of its own
                from zoo.core.form import in_form
                from zoo.core.threads import use_threads

                use_threads(cfg.get("threads"))
                impl = cfg.get("impl")
                with in_form(impl if isinstance(impl, DictConfig) else {}):
                    task(cfg)
        except SystemExit as end:
            job = HydraConfig.get()
            if job.mode is not RunMode.MULTIRUN or not end.code or signals.is_interruption(int(end.code)):
                raise
            failed.append(job.job.override_dirname)

    os.environ["HANDGRAD_TRACEBACK"] = wish
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra passes exceptions on unchanged
    try:
        with mistakes_in_one_line(traceback_wanted):
            before = signals.handle(signals.stop)
            refuse_unread(config, sys.argv[1:])
            heed(sys.argv[1:])
            offer_packages(sys.argv[1:])
            prepare(sys.argv[1:])
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=config)(guarded)()
            if failed:
                raise Failure(f"{len(failed)} of the jobs failed: {'; '.join(failed)}")
    finally:
        signals.restore(before)
        del os.environ["HANDGRAD_TRACEBACK"]
        if not traceback_wanted:
            del os.environ["HYDRA_FULL_ERROR"]


@contextmanager
def mistakes_in_one_line(traceback_wanted: bool) -> Iterator[None]:
    """End the process where a mistake or failure is raised inside: one line on standard error, exit status 2 or 1.

    A wrong value (UsageError, or an error of Hydra's) has status 2, all else status 1. An unforeseen error
    is told with its class and place, and how to see the traceback. Where that is wanted, all errors pass.
    """
    try:
        yield
    except (UsageError, HydraException, OmegaConfBaseException) as error:
        if traceback_wanted:
            raise
        tell(explain(error))
        sys.exit(2)
    except SystemExit as end:  # Lightning's answer to a KeyboardInterrupt has status 1
        if end.code == 1 and signals.came():
            signals.tell()
            sys.exit(signals.status())
        raise
    except KeyboardInterrupt:
        signals.tell()
        sys.exit(signals.status())
    except Exception as error:
        if traceback_wanted:
            raise
        library = {"hydra", "lightning"} & set(Path(place_of(error).filename).parts)
        if (library and isinstance(error, (ValueError, TypeError, AttributeError))) or "Misconfiguration" in repr(
            error
        ):
            words = [word for word in sys.argv[1:] if odd(word)] or ["trainer" if "lightning" in library else "a group"]
            tell(f"{' '.join(words)}: {one_line(error)}")
            sys.exit(2)
        tell(one_line(error) if isinstance(error, (Failure, OSError)) else unforeseen(error))
        sys.exit(1)


def odd(word: str) -> bool:
    """Whether a word gives a group no name of a choice, such as callbacks=1."""
    key, _, value = word.partition("=")
    named = re.fullmatch(r"[A-Za-z_][\w./-]*|\[[A-Za-z_][\w./, -]*\]", value) and value not in ("null", "true", "false")
    return (CONF / key.lstrip("+~").partition("@")[0]).is_dir() and not named


def place_of(error: BaseException) -> traceback.FrameSummary:
    """Where an error was raised."""
    return traceback.extract_tb(error.__traceback__)[-1]


def refuse_unread(config: str, words: list[str]) -> None:
    """Refuse a new key, +key=value, that nothing reads."""
    known = {path.name for path in CONF.iterdir() if path.is_dir()} | {"hydra"}
    for name in (config, "script"):
        known |= set(re.findall(r"^(\w+):", (CONF / f"{name}.yaml").read_text(encoding="utf-8"), re.MULTILINE))
    for word in words:
        key = re.match(r"\+{1,2}(\w+)", word)
        if key and key[1] not in known:
            raise UsageError(f"{word}: nothing reads {key[1]}{did_you_mean(key[1], known)}; --help lists the keys")


def tell(line: str) -> None:
    """Print the line of an error, with nothing in it that a terminal would obey."""
    shown = "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)
    with suppress(OSError, ValueError):  # standard error may be closed
        print(f"error: {shown}", file=sys.stderr)


def unforeseen(error: BaseException) -> str:
    """The line for an error that nobody has foreseen: its class, its message, and where it came from."""
    if isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error):
        return f"out of memory: {one_line(error)}; a smaller data.batch_size or model takes less"
    place = place_of(error)
    where = f"{os.path.basename(os.path.dirname(place.filename))}/{os.path.basename(place.filename)}:{place.lineno}"
    return f"{type(error).__name__}: {one_line(error)} ({where}; HYDRA_FULL_ERROR=1 shows the traceback)"


def offer_packages(words: list[str]) -> None:
    """Offer Hydra every importable package as a choice of the group impl: ``impl=their.package``.

    Layers come from their.package.nn and optimizers from their.package.optim, as in scratch. Where there is no such
    subpackage, layers come from their.package itself, and optimizers from torch.optim.
    """
    for word in words:
        group, _, package = word.partition("=")
        if group not in ("impl", "impl@reference") or (CONF / "impl" / f"{package}.yaml").exists():
            continue
        if importable(package):
            layers = f"{package}.nn" if importable(f"{package}.nn") else package
            optim = f"{package}.optim" if importable(f"{package}.optim") else "torch.optim"
            ConfigStore.instance().store(group="impl", name=package, node={"layers": layers, "optim": optim})


def offer_checkpoint(words: list[str]) -> None:
    """Offer Hydra the data and the model of the checkpoint ckpt=… as choices: data=as_trained, model=as_trained."""
    if any(word.startswith("ckpt=") for word in words):  # only then import what reads it
        from zoo.training.as_trained import offer_as_trained

        offer_as_trained(words)


@contextmanager
def streaming_output() -> Iterator[None]:
    """For a script that prints texts as they come: it ends when nobody reads them any more, as in `… | head`."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may lack a character
    Lasting.needed = True
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
    finally:
        Lasting.needed = False


def program() -> list[str]:
    """How the running command was called: ``python scripts/train.py`` in a checkout, ``handgrad-train`` installed."""
    script = sys.argv[0]
    return ["python", script] if script.endswith(".py") else [os.path.basename(script)]


def quoted(word: str, key: str) -> str:
    """The word key=… with its value in Hydra's quotation marks, so that it may contain any character, such as a comma.

    Other words stay as they are.
    """
    name, _, text = word.partition("=")
    if name != key or text == "null":
        return word
    inside = re.sub(r"(\\*)('|$)", lambda end: end[1] * 2 + ("\\'" if end[2] else ""), text.replace("${", r"\${"))
    return f"{key}='{inside}'"


def importable(package: str) -> bool:
    """Whether there is a package of this name."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def explain(error: BaseException) -> str:
    """The line for a mistake, which names the wrong value and the legal ones."""
    cause = error.__cause__
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        options = list(error.options or ()) or sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        also = ", or any importable package" if group == "impl" else ""
        return f"{group}={choice}: unknown{did_you_mean(choice, options)}; legal are {listing(options)}{also}"
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)) and cause.full_key:
        parent, _, key = cause.full_key.rpartition(".")
        legal = [str(name) for name in cause.parent_node or ()]
        where = f" of {parent}" if parent else ""
        return f"{cause.full_key}: unknown key{did_you_mean(key, legal)}; the keys{where} are {listing(legal)}"
    unplaced = re.match(r"Could not override '([^']*)'.*\+(\S+)", one_line(error))
    if unplaced:
        return f"{unplaced[2]}: {unplaced[1]} is no group of this script; --help lists them"
    if isinstance(error, OverrideParseException):
        key, sign, value = str(error.override).partition("=")
        if not sign or not re.fullmatch(r"[~+]*[\w.@/-]+", key):
            return f"{error.override}: not of the form key=value"
        inside = value.replace("\\", r"\\").replace('"', r"\"")
        return f"{key}={value}: such characters need quotation marks, two kinds of them: '{key}=\"{inside}\"'"
    if isinstance(error, InstantiationException) and cause is not None:
        place = str(error).rpartition("full_key: ")[2] if "full_key: " in str(error) else ""
        return (f"{place}: " if place and not isinstance(cause, UsageError) else "") + one_line(cause)
    return one_line(error)


def one_line(error: BaseException) -> str:
    """The message of an error without its line breaks, or its class where there is none."""
    return " ".join(str(error).split()) or type(error).__name__
