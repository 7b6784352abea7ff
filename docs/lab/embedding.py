"""Draw docs/embedding.png from embedding.csv, the trade-off of held embeddings: python docs/lab/embedding.py"""

from drawing import read_table, save
from matplotlib import pyplot

LINES = {"cosine": "o-", "similarity": "s--"}
TITLES = {"spearman": "Spearman on graded pairs", "agreement": "agreement with the start"}


def main() -> None:
    """Draw mean macro-F1 of the two heads against each measure of the embedding."""
    rows = read_table("embedding.csv")
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
    save(figure, "embedding.png")


if __name__ == "__main__":
    main()
