import os

import pytest
import torch._inductor.config as inductor

from polyhead.errors import UserError
from polyhead.models.compiler import check_compiler


def test_missing_compiler_is_one_line():
    with inductor.patch({"cpp.cxx": (None, "/nowhere/g++")}):
        with pytest.raises(UserError, match="compile=true: there is no C\\+\\+ compiler") as caught:
            check_compiler("cpu")
        check_compiler("cuda")  # it has no use for one
    assert "\n" not in str(caught.value)


def test_compiler_that_is_there_is_found(tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho 12\n")
    compiler.chmod(0o755)
    with inductor.patch({"cpp.cxx": (None, os.fspath(compiler))}):
        check_compiler("cpu")
