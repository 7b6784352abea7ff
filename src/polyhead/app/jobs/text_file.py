"""Text file: the texts of a table, read as a command's options say. Knows nothing about what becomes of them."""

from omegaconf import DictConfig

from polyhead.app.jobs.table_options import read_dialect
from polyhead.storage.row_readers import open_rows


def read_texts(path: str, config: DictConfig) -> list[str]:
    """Return the texts of a table that are not blank.

    Args:
        path: of the table.
        config: of the command, with all of :data:`TABLE_OPTIONS`.

    Raises:
        UserError: the file cannot be read, or has no such column.
    """
    dialect = read_dialect(config)
    with open_rows(path, config.input_format, dialect) as reader:
        reader.check(config.text)
        return [text for text in reader.texts(config.text) if text.strip()]
