"""Execute the tour and store it with its outputs: ``make tour``, or ``python notebooks/execute.py``."""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TOUR = Path(__file__).with_name("tour.ipynb")


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Execute a notebook in place, from top to bottom.

    Args:
        notebook: gets the outputs.
        folder: where its code runs.
    """
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, record_timing=False, resources=resources).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":  # a progress bar that shows nothing leaves a display without content
            cell.outputs = [output for output in cell.outputs if output.get("data", {}).get("text/plain") != ""]
    notebook.metadata["language_info"] = {"name": "python"}  # the kernel adds its own version


if __name__ == "__main__":
    tour = nbformat.read(TOUR, as_version=4)
    with tempfile.TemporaryDirectory() as place:
        execute(tour, Path(place))
    nbformat.write(tour, TOUR)
