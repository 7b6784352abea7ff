"""Configurations of runs by somebody who wants to run code, and a canary that tells whether they did."""

import copy
from pathlib import Path
from typing import Any

CANARY = "canary"


def hostile_changes(folder: Path) -> dict[str, dict[str, Any]]:
    """Return changes of a run's configuration, by what they try: dotted key -> value.

    Args:
        folder: where each of them would leave a file of the name of the canary.
    """
    canary = str(folder / CANARY)
    touch = {"_target_": "pathlib.Path.touch", "_args_": [canary]}
    run = {"_target_": "os.system", "command": f"touch {canary}"}
    opened = {"_target_": "builtins.open", "file": canary, "mode": "w"}
    return {
        "os.system": {"freeze": run},
        "subprocess": {"model": {"_target_": "subprocess.run", "args": ["touch", canary]}},
        "open": {"encoder": opened},
        "eval": {"freeze": {"_target_": "builtins.eval", "_args_": [f"open({canary!r}, 'w')"]}},
        "exec nested": {"freeze.frozen": [{"_target_": "builtins.exec", "_args_": [f"open({canary!r}, 'w')"]}]},
        "path nested in a list of lists": {"freeze.frozen": [[touch]]},
        "torch.save": {"freeze": {"_target_": "torch.save", "obj": 1, "f": canary}},
        "torch.load": {"freeze": {"_target_": "torch.load", "f": canary, "weights_only": False}},
        "numpy.load": {"freeze": {"_target_": "numpy.load", "file": canary, "allow_pickle": True}},
        "joblib.load": {"data": {"_target_": "joblib.load", "filename": canary}},
        "pickle.loads": {"data": {"_target_": "pickle.loads", "data": "x"}},
        "shutil.copyfile": {"freeze": {"_target_": "shutil.copyfile", "src": __file__, "dst": canary}},
        "shutil.rmtree": {"freeze": {"_target_": "shutil.rmtree", "path": str(folder)}},
        "torch.hub": {
            "encoder": {"_target_": "torch.hub.load", "repo_or_dir": str(folder), "model": "x", "source": "local"}
        },
        "transformers with remote code": {
            "encoder": {
                "_target_": "transformers.AutoModel.from_pretrained",
                "pretrained_model_name_or_path": str(folder),
                "trust_remote_code": True,
            }
        },
        "importlib": {"freeze": {"_target_": "importlib.import_module", "name": "antigravity"}},
        "a module in a module of polyhead": {"freeze": {**run, "_target_": "polyhead.runs.folder.os.system"}},
        "builtins of a module of polyhead": {"freeze": {**opened, "_target_": "polyhead.errors.__builtins__.open"}},
        "a class by its module": {"freeze._target_": "polyhead.freezing.plans.FreezeSpec"},
        "a public function of polyhead": {
            "freeze": {"_target_": "polyhead.deployment.bundle.new_folder", "folder": canary, "overwrite": True}
        },
        "a public class in another place": {"freeze": {"_target_": "polyhead.runs.RunFolder", "folder": canary}},
        "a dunder of a public class": {"freeze._target_": "polyhead.freezing.FreezeSpec.__init__.__globals__.get"},
        "a method of a public class": {"freeze._target_": "polyhead.freezing.FreezeSpec.apply"},
        "hydra's own builder": {"freeze": {"_target_": "hydra.utils.instantiate", "config": run}},
        "hydra's get_method": {"freeze": {"_target_": "hydra.utils.get_method", "path": "os.system"}},
        "functools.partial": {"freeze": {"_target_": "functools.partial", "_args_": ["os.system", canary]}},
        "positional arguments": {"freeze._args_": [touch]},
        "a partial": {"freeze._partial_": True},
        "an interpolation as target": {"freeze": {**run, "_target_": "${oc.env:EVIL,os.system}"}},
        "a target that is a list": {"freeze._target_": ["os", "system"]},
        "callback": {"callbacks.extra": opened},
        "nested in a callback": {"callbacks.best.extra": touch},
        "callback of Lightning's that takes functions": {
            "callbacks.extra": {"_target_": "lightning.pytorch.callbacks.LambdaCallback", "setup": touch}
        },
        "logger": {"logger": {"opened": opened}},
        "strategy of the trainer": {"trainer.strategy": touch},
        "plugins of the trainer": {"trainer.plugins": [touch]},
        "data": {"data": opened},
        "nested in data": {"data.sizes.train": touch},
        "tokens": {"tokens": opened},
        "loss": {"loss": opened},
        "weighting": {"weighting": opened},
        "settings of a weighting": {"weighting.settings": {"x": touch}},
        "optimizer": {"optimizer": opened},
        "nested in tasks": {"tasks.category": [touch]},
        "a section of its own": {"anything": touch},
        "a package that is imported": {"encoder.location": "package:canary_package"},
        "remote code by the architecture": {"encoder.architecture.auto_map": {"AutoModel": "x--modeling.Evil"}},
        "attention from the hub": {"encoder.architecture.attn_implementation": "evil/kernel"},
        "files beside the run": {"callbacks.last.dirpath": str(folder)},
        "files above the run": {"callbacks.last.filename": f"../../../{CANARY}"},
        "files by a chained protocol": {"logger.tensorboard.save_dir": f"memory://x::file://{canary}"},
        "a server of somebody else": {
            "logger.mlflow": {
                "_target_": "lightning.pytorch.loggers.MLFlowLogger",
                "tracking_uri": "https://evil.example",
            }
        },
        "an account of somebody else": {
            "logger.wandb": {"_target_": "lightning.pytorch.loggers.WandbLogger", "entity": "evil"}
        },
        "files in the working folder": {"trainer.default_root_dir": "."},
        "an interruption elsewhere": {"callbacks.interruption.path": canary},
    }


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration, nested, with values under dotted keys replaced or added."""
    result = copy.deepcopy(config)
    for key, value in changes.items():
        *sections, leaf = key.split(".")
        node = result
        for section in sections:
            node = node.setdefault(section, {})
        node[leaf] = value
    return result
