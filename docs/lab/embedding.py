"""Draw docs/embedding.png from embedding.csv, the trade-off of held embeddings: python docs/lab/embedding.py"""

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

HERE = Path(__file__).parent
LINES = {"cosine": "o-", "similarity": "s--"}
TITLES = {"spearman": "Spearman on graded pairs", "agreement": "agreement with the start"}


def main() -> None:
    """Draw mean macro-F1 of the two heads against each measure of the embedding."""
    with (HERE / "embedding.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    points = [
        (row["method"], row["value"], (float(row["category"]) + float(row["sentiment"])) / 2, row) for row in rows
    ]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for axis, (measure, title) in zip(axes, TITLES.items(), strict=True):
        for method, style in LINES.items():
            chosen = [point for point in points if point[0] == method]
            axis.plot([float(p[3][measure]) for p in chosen], [p[2] for p in chosen], style, label=method)
            for _, value, score, row in chosen:
                axis.annotate(
                    value, (float(row[measure]), score), textcoords="offset points", xytext=(4, 5), fontsize=7
                )
        for method in ("start", "off"):
            _, _, score, row = next(point for point in points if point[0] == method)
            axis.plot(float(row[measure]), score, "*k", markersize=10)
            axis.annotate(method, (float(row[measure]), score), textcoords="offset points", xytext=(6, -10))
        axis.set_xlabel(title)
    axes[0].set_ylabel("mean macro-F1 of the two heads")
    axes[0].legend()
    figure.savefig(HERE.parent / "embedding.png", dpi=110, metadata={"Software": ""})


if __name__ == "__main__":
    main()
