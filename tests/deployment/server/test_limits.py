import pytest

from polyhead.deployment.server import Limits
from polyhead.errors import ParameterError

LIMITS = {"characters": 10, "texts": 4, "body_bytes": 100, "waiting_texts": 8, "waiting_bytes": 200}
LIMITS |= {"connections": 3, "read_seconds": 0.5}


@pytest.mark.parametrize("name", ["characters", "texts", "body_bytes", "connections"])
def test_limits_refuse_a_number_below_one(name):
    with pytest.raises(ParameterError, match=f"^{name}: 0 given; it must be 1 or more$"):
        Limits(**LIMITS | {name: 0})


def test_limits_refuse_a_queue_that_holds_less_than_a_request():
    assert Limits(**LIMITS | {"waiting_texts": 4}).waiting_texts == 4
    with pytest.raises(ParameterError, match=r"^waiting_texts: 3 given; it must be 4 or more, for one request may"):
        Limits(**LIMITS | {"waiting_texts": 3})


def test_limits_refuse_less_room_for_all_bodies_than_for_one():
    assert Limits(**LIMITS | {"waiting_bytes": 100}).waiting_bytes == 100
    with pytest.raises(ParameterError, match=r"^waiting_bytes: 99 given; it must be 100 or more, for one request may"):
        Limits(**LIMITS | {"waiting_bytes": 99})


@pytest.mark.parametrize("seconds", [0, -1.0, float("inf"), float("nan")])
def test_limits_refuse_no_time_and_time_without_end(seconds):
    with pytest.raises(ParameterError, match=f"^read_seconds: {seconds} given; it must be above 0, and finite$"):
        Limits(**LIMITS | {"read_seconds": seconds})


def test_limits_name_all_that_do_not_fit():
    with pytest.raises(ParameterError) as error:
        Limits(0, 0, 0, 0, 0, 0, 0)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == list(LIMITS)
