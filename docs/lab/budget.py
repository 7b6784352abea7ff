"""Draw docs/budget.png from budget.csv, seconds against accuracy and the front: python docs/lab/budget.py"""

from drawing import read_table, save
from matplotlib import pyplot

OURS = "polyhead"


def main() -> None:
    """Draw each way as a point with its number, ours apart from peers, and the best that so many seconds reach."""
    rows = read_table("budget.csv")
    figure, axis = pyplot.subplots(figsize=(11, 5.5), layout="constrained")
    front = [(float(row["seconds"]), float(row["accuracy"])) for row in rows if row["front"] == "1"]
    axis.step([point[0] for point in front] + [300], [point[1] for point in front] + [front[-1][1]], "k:", where="post")
    for ours, style, title in ((True, "oC0", OURS), (False, "sC1", "peers")):
        chosen = [row for row in rows if row["way"].startswith(OURS) is ours]
        points = [(float(row["seconds"]), float(row["accuracy"])) for row in chosen]
        axis.plot(*zip(*points, strict=True), style, label=title)
    for number, row in enumerate(rows, start=1):
        place = float(row["seconds"]), float(row["accuracy"])
        axis.annotate(str(number), place, (8, -9), textcoords="offset points", ha="center", va="center", fontsize=8)
    names = "\n".join(f"{number:2} {row['way']}" for number, row in enumerate(rows, start=1))
    axis.text(1.02, 1, names, transform=axis.transAxes, va="top", fontsize=8, linespacing=1.6)
    axis.set_xscale("log")
    ticks = [3, 5, 10, 20, 30, 60, 120, 300]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("seconds from the command to the answers, two threads")
    axis.set_ylabel("accuracy on test")
    axis.legend(loc="lower right")
    save(figure, "budget.png")


if __name__ == "__main__":
    main()
