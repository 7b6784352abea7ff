"""The pages load nothing from elsewhere, and cannot be made to run what they show."""

import re

import pytest
from fastapi.testclient import TestClient
from support.pages import Document
from support.servers import LIMITS, FakePredictor

from polyhead.deployment.server import create_app


@pytest.fixture(params=["/", "/docs"])
def page(request, tmp_path):
    with TestClient(create_app(FakePredictor(tmp_path), LIMITS, 8)) as client:
        yield client.get(request.param)


def test_page_needs_nothing_from_elsewhere(page):
    policy = page.headers["Content-Security-Policy"]
    assert policy.split("; ")[:2] == ["default-src 'none'", "connect-src 'self'"]
    assert not re.search(r"""https?://|@import|url\(|\bsrc\b""", page.text)
    links = Document(re.sub(r"(?s)<script>.*</script>", "", page.text)).links
    assert links
    assert all(re.fullmatch(r"[a-z.]+", link) for link in links)  # files beside it


def test_page_makes_no_markup_of_texts(page):
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", page.text)


def test_page_has_its_style_and_both_scripts(page):
    assert "/* style */" not in page.text
    assert "/* script */" not in page.text
    assert "white-space: nowrap" in page.text  # else a bold 100.0 % goes over two lines
    assert "Authorization" in page.text
