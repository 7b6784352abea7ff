"""One freeze plan of each kind, for a tiny encoder of three layers."""

from polyhead.freezing.lora import LoRA
from polyhead.freezing.plans import FreezeSpec
from polyhead.freezing.schedules import Gradual, ProbeThenFineTune, UnfreezeSchedule

SCHEDULES = {
    "gradual": Gradual(groups=2, epochs=1),
    "thawing": UnfreezeSchedule(["encoder", "heads.sentiment"], [{"epoch": 1, "parts": ["encoder.norms", "heads"]}]),
    "lp_ft": ProbeThenFineTune(probe_epochs=1, lr_scale=0.5),
    "lora": LoRA(rank=2, alpha=4, targets="all-linear", from_layer=1),
}
PLANS = SCHEDULES | {
    "none": FreezeSpec([]),
    "backbone": FreezeSpec(["encoder"]),
    "heads": FreezeSpec(["heads"]),
    "category_head": FreezeSpec(["heads.category"]),
    "embeddings": FreezeSpec(["encoder.embeddings"]),
    "lower_layers": FreezeSpec.lower_layers(1),
    "upper_layers": FreezeSpec.upper_layers(1),
    "bias_only": FreezeSpec(["encoder"], ["encoder.biases"]),
    "layer_norm_only": FreezeSpec(["encoder"], ["encoder.norms"]),
}
