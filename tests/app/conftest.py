"""Each test of the commands hears of every old name, as each command of a user does."""

import pytest

from polyhead.app.config.old_names import _announce


@pytest.fixture(autouse=True)
def _nothing_announced() -> None:
    _announce.cache_clear()
