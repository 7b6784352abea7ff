import pytest
from support.models import FAMILIES
from torch import nn

from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups, parameters_named, valid_names
from polyhead.models.sentence_modules import IDENTITY, Dense, LayerNorm, Normalize


def ids(parameters):
    return [id(parameter) for parameter in parameters]


def names_of(model, parameters):
    return {name for name, parameter in model.named_parameters() if id(parameter) in ids(parameters)}


@pytest.mark.parametrize("family", FAMILIES)
def test_layer_groups_hold_every_parameter_once(make_encoder, tasks, family):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    held = ids(p for modules in layer_groups(model).values() for module in modules for p in module.parameters())
    assert sorted(held) == sorted(ids(model.parameters()))
    assert [name for name in layer_groups(model) if "layers" in name] == [f"encoder.layers[{i}]" for i in range(3)]


@pytest.mark.parametrize("family", FAMILIES)
def test_valid_names_stand_for_parameters(make_encoder, tasks, family):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    for name in valid_names(model):
        if " " not in name:
            assert parameters_named(model, name)
    assert ("encoder.biases" in valid_names(model)) == (family != "modernbert")  # it has none


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_are_the_parameters_of_layer_norms(make_encoder, tasks, family):
    model = MultiTaskModel(make_encoder(family), tasks, dropout=0.1)
    norms = [module for module in model.encoder.modules() if isinstance(module, nn.LayerNorm)]
    expected = ids(parameter for norm in norms for parameter in norm.parameters())
    assert sorted(ids(parameters_named(model, "encoder.norms"))) == sorted(expected)


def test_biases_are_those_of_the_encoder_alone(model):
    expected = {name for name, _ in model.named_parameters() if name.endswith("bias") and name.startswith("encoder")}
    assert names_of(model, parameters_named(model, "encoder.biases")) == expected


def test_adapters_are_none_without_any(model):
    assert parameters_named(model, "encoder.adapters") == []
    assert "encoder.adapters" not in valid_names(model)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("encoder.layers[0]", [0]),
        ("encoder.layers[2]", [2]),
        ("encoder.layers[-3]", [0]),
        ("encoder.layers[:]", [0, 1, 2]),
        ("encoder.layers[:3]", [0, 1, 2]),
        ("encoder.layers[:-1]", [0, 1]),
        ("encoder.layers[-3:-1]", [0, 1]),
        ("encoder.layers[1:]", [1, 2]),
        ("encoder.layers[3]", []),
        ("encoder.layers[-4]", []),
        ("encoder.layers[:4]", []),
        ("encoder.layers[-4:]", []),
        ("encoder.layers[2:2]", []),
        ("encoder.layers[-]", []),
        ("encoder.layers[1-2]", []),
        ("encoder.layers[1:2:1]", []),
        ("encoder.layers[ 1]", []),
    ],
)
def test_layer_names_are_indices_and_slices_that_the_encoder_has(model, name, layers):
    expected = [parameter for index in layers for parameter in model.encoder.layers[index].parameters()]
    assert ids(parameters_named(model, name)) == ids(expected)


def test_top_is_what_has_parameters_above_the_layers(make_encoder, tasks):
    top = [Dense(16, 8, True, IDENTITY), LayerNorm(8), Normalize()]
    model = MultiTaskModel(make_encoder(top=top), tasks, dropout=0.1)
    expected = {name for name, _ in model.named_parameters() if name.startswith("encoder.sentence_modules.")}
    assert len(expected) == 4
    assert names_of(model, parameters_named(model, "encoder.top")) == expected
    assert "encoder.top" in valid_names(model)
    assert ids(p for module in layer_groups(model)["encoder.top"] for p in module.parameters()) == ids(
        parameters_named(model, "encoder.top")
    )


def test_top_is_no_part_where_there_is_nothing(model):
    assert "encoder.top" not in valid_names(model)
