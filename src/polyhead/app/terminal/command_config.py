"""Command configuration: that of a command, with values given in Python in place of its defaults."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from polyhead.app.config.hydra_state import compose_command
from polyhead.app.config.literals import literal
from polyhead.errors import UserError, did_you_mean


def command_config(name: str, values: Mapping[str, Any]) -> DictConfig:
    """Return the configuration of a command.

    Args:
        name: of the command.
        values: by key; they are taken as they are.

    Raises:
        UserError: the command has no such key, or a value is of no type that a configuration holds.
    """
    config = compose_command(name)
    for key, value in values.items():
        if key not in map(str, config):  # `in` leaves out what must be given
            raise UserError(f"{key}: no such option; {did_you_mean(key, map(str, config))}")
        try:
            with open_dict(config):
                config[key] = OmegaConf.create({"value": literal(value)}).value
        except ValueError as error:
            kind = type(value).__name__
            raise UserError(f"{key}: {kind} given; it must be a number, a text, a list, a dict or None") from error
    return config
