"""Draw docs/budget.png from budget.csv, processor time against accuracy and the front: python docs/lab/budget.py"""

from drawing import read_table, save
from matplotlib import pyplot

OURS = "polyhead"
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}
PLACES = {True: ((-6, 7), "right"), False: ((6, -8), "left")}  # of a name beside the point: ours above, peers below


def main() -> None:
    """Draw each way as a point with its name, ours apart from peers, and the best that so many seconds reach."""
    rows = read_table("budget.csv")
    figure, axis = pyplot.subplots(figsize=(10, 6), layout="constrained")
    front = sorted((float(row["processor"]), float(row["accuracy"])) for row in rows if row["front"] == "1")
    axis.step([point[0] for point in front] + [400], [point[1] for point in front] + [front[-1][1]], "k:", where="post")
    for ours, style, title in ((True, "oC0", OURS), (False, "sC1", "peers")):
        chosen = [row for row in rows if row["way"].startswith(OURS) is ours]
        points = [(float(row["processor"]), float(row["accuracy"])) for row in chosen]
        axis.plot(*zip(*points, strict=True), style, label=title)
        for row, point in zip(chosen, points, strict=True):
            name = row["way"].removeprefix(f"{OURS}, ")
            offset, side = PLACES[ours]
            axis.annotate(
                name, point, offset, textcoords="offset points", ha=side, va="center", fontsize=8, bbox=BEHIND, zorder=3
            )
    axis.set_xscale("log")
    ticks = [3, 5, 10, 20, 30, 60, 120, 300]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("processor seconds from the command to the answers, one thread")
    axis.set_ylabel("accuracy on test")
    axis.legend(loc="lower right")
    save(figure, "budget.png")


if __name__ == "__main__":
    main()
