"""Draw docs/scaling.png from scaling.csv, cost against work as one thing grows: python docs/lab/scaling.py"""

from drawing import read_table, save
from matplotlib import pyplot


def main() -> None:
    """Draw, for each thing that grows, its cost and the operations of the model, both as multiples of the first."""
    rows = read_table("scaling.csv")
    axes_names = list(dict.fromkeys(row["axis"] for row in rows))
    figure, axes = pyplot.subplots(1, len(axes_names), figsize=(3 * len(axes_names), 3.2), layout="constrained")
    for axis, name in zip(axes, axes_names, strict=True):
        chosen = [row for row in rows if row["axis"] == name]
        values = [int(row["value"]) for row in chosen]
        for column, style, label in (("milliseconds", "o-", "processor time"), ("gflop", "s--", "operations")):
            numbers = [float(row[column]) for row in chosen]
            axis.loglog(values, [number / numbers[0] for number in numbers], style, label=label)
        axis.loglog(values, [value / values[0] for value in values], ":", color="gray", label="what grows")
        axis.set_xticks(values, [f"{value:,}" for value in values], rotation=45)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
        axis.set_xlabel(name)
    axes[0].set_ylabel("multiple of the first")
    axes[0].legend(fontsize=7)
    save(figure, "scaling.png")


if __name__ == "__main__":
    main()
