"""What Hydra and OmegaConf refuse, said in one line with the names that were meant. Imports nothing heavy."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import OverrideParseException
from omegaconf import DictConfig

from polyhead.app.config.old_names import rename_hint
from polyhead.app.config.override_quotes import quoting_hint
from polyhead.errors import did_you_mean

_UNKNOWN_KEY = re.compile(r"Could not (?:override|delete from config).*?'(?P<key>[^']+)'", re.DOTALL)
_FULL_KEY = re.compile(r"full_key: (?P<key>\S+)")
_UNKNOWN_OPTION = re.compile(
    r"Could not find '(?P<group>[^']+)/(?P<option>[^'/]+)'.*?:\n(?P<valid>.*)Config search", re.DOTALL
)
_NO_OPTION = re.compile("Could not (?:load|find) '|Config group override must be|argument of type '.*' is not iterable")
_LIST_FOR_ENTRIES = re.compile(r"Error merging override (?P<key>[^=\s]+)=\[.*\]", re.DOTALL)
_ENTRIES_FOR_LIST = re.compile(r"Error merging override (?P<key>[^=\s]+)=(?P<value>\{.*\})", re.DOTALL)
_OTHERS_NAMES = {
    "batch": ("loader.batch_size",),
    "epochs": ("trainer.max_epochs",),
    "num_epochs": ("trainer.max_epochs",),
    "num_train_epochs": ("trainer.max_epochs",),
    "gpus": ("trainer.devices",),
    "learning_rate": ("optimizer.encoder_lr", "optimizer.head_lr"),
    "lr": ("optimizer.encoder_lr", "optimizer.head_lr"),
    "max_seq_length": ("encoder.max_length",),
    "model_name": ("encoder", "encoder.location"),
    "per_device_train_batch_size": ("loader.batch_size",),
    "warmup_ratio": ("optimizer.warmup",),
    "warmup_steps": ("optimizer.warmup",),
    "workers": ("loader.workers",),
    "num_workers": ("loader.workers",),
}
"""What other projects call a key of ours."""

_CONFIG_DIR = ("--config-dir", "-cd")
_CONFIG_DIR_JOINED = ("--config-dir=", "-cd=")
_BARE_BOOL = "Unsupported item value in defaults : bool"


@dataclass(frozen=True)
class Configuration:
    """Where names are looked up.

    Args:
        folder: that holds the configuration's groups.
        name: of the configuration there.
        arguments: of the command line: overrides and flags.
    """

    folder: Path
    name: str
    arguments: Sequence[str] = ()

    def options(self, group: str) -> list[str]:
        """List the options of a group, the user's own among them; none where there is no such group."""
        folders = [self.folder, *self.own_folders()] if group else []
        return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})

    def own_folders(self) -> list[Path]:
        """List the folders that the command line adds to the search path: ``--config-dir DIR``."""
        pairs = zip(self.arguments, self.arguments[1:], strict=False)
        apart = [value for flag, value in pairs if flag in _CONFIG_DIR]
        joined = [word.partition("=")[2] for word in self.arguments if word.startswith(_CONFIG_DIR_JOINED)]
        return [Path(folder) for folder in [*apart, *joined]]

    def keys(self) -> list[str]:
        """List the dotted keys, with the options that the command line chose."""
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(self.folder.resolve()), version_base="1.3"):
            own = ",".join(f'"file://{folder.resolve()}"' for folder in self.own_folders())
            return list(_keys(compose(self.name, overrides=[f"hydra.searchpath=[{own}]", *self._chosen_options()])))

    def _chosen_options(self) -> Iterator[str]:
        """Yield the overrides of the command line that choose options of groups; of several options the first."""
        for override in self.arguments:
            group, _, options = override.partition("=")
            option = options.partition(",")[0]
            if option in self.options(group):
                yield f"{group}={option}"


def explain(error: Exception, configuration: Configuration) -> str:
    """Return an error of Hydra or OmegaConf in one line, with the nearest valid names."""
    text = _message(error)
    for answer in (_unknown_option, _wrong_option, _list_for_entries, _entries_for_list):
        if line := answer(text, configuration):
            return line
    if match := _UNKNOWN_KEY.search(text):
        return _unknown_key(_longer_key(match["key"], error), configuration)
    if _BARE_BOOL in text:
        return 'defaults: a bare on, off, yes or no is no text in YAML; write it in quotes, as in "off"'
    words = " ".join(text.partition("\nSee https://")[0].split())
    if isinstance(error, OverrideParseException) and "=" in error.override:
        return f"{error.override}: {words}; {quoting_hint(error.override)}"
    return words


def _message(error: Exception) -> str:
    """Return what an error says, or what the first of its causes says that is not silent, as some of Hydra's are."""
    cause: BaseException | None = error
    while cause is not None:
        if text := str(cause):
            return text
        cause = cause.__cause__ or cause.__context__
    return ""


def _unknown_option(text: str, _: Configuration) -> str | None:
    match = _UNKNOWN_OPTION.search(text)
    if match is None:
        return None
    group, option = match["group"], match["option"]
    if hint := rename_hint(group, option):
        return _renamed_in_file(hint)
    return f"{group}={option}: no such option; {did_you_mean(option, match['valid'].split())}"


def _wrong_option(text: str, configuration: Configuration) -> str | None:
    """Find the override that names no option of its group; Hydra does not always say which it is."""
    if not _NO_OPTION.search(text):
        return None
    for override in configuration.arguments:
        group, _, option = override.lstrip("+").partition("=")
        valid = configuration.options(group)
        if valid and option not in valid:
            return f"{group}={option}: no such option; {did_you_mean(option, valid)}"
    return None


def _unknown_key(key: str, configuration: Configuration) -> str:
    if hint := rename_hint(key):
        return _renamed_in_file(hint)
    return f"{key}: no such key; {_nearest(key, configuration)}"


def _longer_key(key: str, error: Exception) -> str:
    """Return the entry of ``key`` that an error's cause names, as for ``loader={size: 3}``, or the key itself."""
    match = _FULL_KEY.search(str(error.__cause__))
    return match["key"] if match and match["key"].startswith(f"{key}.") else key


def _list_for_entries(text: str, _: Configuration) -> str | None:
    match = _LIST_FOR_ENTRIES.fullmatch(text)
    if match is None:
        return None
    key = match["key"]
    return (
        f"{key}: a list is given, and it has entries with names; set one by {key}.NAME=VALUE, or take one out by "
        f"'~{key}.NAME'"
    )


def _entries_for_list(text: str, _: Configuration) -> str | None:
    match = _ENTRIES_FOR_LIST.fullmatch(text)
    if match is None:
        return None
    return f"{match['key']}: entries with names are given, and it is a list; write '{match['key']}=[{match['value']}]'"


def _renamed_in_file(hint: str) -> str:
    """Return the line for an old name that only a file can hold: those of the command line are taken as they are."""
    return f"{hint}; write that in the file of your configuration that names it"


def _nearest(key: str, configuration: Configuration) -> str:
    """Name the keys like ``key``: those that are spelled alike, and those that end alike in another group."""
    valid = configuration.keys()
    if meant := [name for name in _OTHERS_NAMES.get(key, ()) if name in valid]:
        return f"here it is {' and '.join(meant)}"
    parent, _, leaf = key.rpartition(".")
    if parent in valid and not any(other.startswith(f"{parent}.") for other in valid):
        return f"{parent} has no entries yet; set them by '{parent}={{{leaf}: VALUE}}'"
    same_leaf = [name for name in valid if name.split(".")[-1] == leaf]
    if same_leaf:
        return f"did you mean {' or '.join(map(repr, same_leaf))}?"
    siblings = [name for name in valid if name.rpartition(".")[0] == parent]
    return did_you_mean(key, siblings or [name for name in valid if "." not in name])


def _keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for name in map(str, config):
        yield f"{prefix}{name}"
        child = config._get_node(name)
        if isinstance(child, DictConfig):
            yield from _keys(child, f"{prefix}{name}.")
