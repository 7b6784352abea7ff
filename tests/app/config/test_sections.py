from omegaconf import DictConfig
from support.configs import CONFIGS

from polyhead.app.config.hydra_state import compose_as_train
from polyhead.app.config.sections import ALONE, OPTIONAL, SECTIONS, VALUES, WITH_ENTRIES
from polyhead.app.training import train


def test_sections_are_the_keys_of_the_configuration():
    config = compose_as_train(CONFIGS, ["soup=uniform", "soup.runs=[a,b]"])
    assert sorted(map(str, config)) == list(SECTIONS)
    assert all(isinstance(config[name], DictConfig) for name in WITH_ENTRIES)
    assert all((CONFIGS / name).is_dir() for name in OPTIONAL)
    assert not any((CONFIGS / name).exists() for name in (*ALONE, *VALUES))


def test_sections_are_taken_on_the_command_line():
    compose_as_train(CONFIGS, ["trust=[my_package]", "compile=true", "seed=1", "watch_conflict=false"])
    train.check_choices()
