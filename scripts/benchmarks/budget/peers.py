"""The peers of the benchmark ``budget``, each as a program of its own that imports only what it uses, not Polyhead.

    python -m benchmarks.budget.peers NAME FOLDER

FOLDER has job.json, a :class:`~benchmarks.budget.job.Job`, and takes answer.json: the labels of the test sentences, and
the seconds of learning, to which embedding the sentences belongs, and importing and loading do not.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.budget.job import Answer, Job, regression, regression_on
from benchmarks.budget.trainers import trainer, tuned_embeddings
from benchmarks.set_fit import train_set_fit


def tf_idf(job: Job) -> Answer:
    """Learn by scikit-learn alone: logistic regression on words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

    texts, labels = job.read(job.train)
    started = time.perf_counter()
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = regression(words.fit_transform(texts), labels, inverse_penalty=10.0)
    seconds = time.perf_counter() - started
    return list(model.predict(words.transform(job.read(job.test)[0]))), seconds


def embeddings(job: Job) -> Answer:
    """Learn by logistic regression on the embeddings of sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(job.encoder, device=job.device)
    return regression_on(encoder, job, time.perf_counter())


def static_embeddings(job: Job) -> Answer:
    """Learn by logistic regression on model2vec's embeddings."""
    from model2vec import StaticModel  # type: ignore[import-not-found]

    encoder = StaticModel.from_pretrained(job.static)
    return regression_on(encoder, job, time.perf_counter())


def static_classifier(job: Job) -> Answer:
    """Learn by model2vec's classifier with its defaults, which trains the static embeddings, too."""
    from model2vec.train import StaticModelForClassification  # type: ignore[import-not-found]

    texts, labels = job.read(job.train)
    model = StaticModelForClassification.from_pretrained(path=job.static)
    started = time.perf_counter()
    model.fit(texts, labels, random_seed=job.seed, device=job.device)
    seconds = time.perf_counter() - started
    return [str(label) for label in model.predict(job.read(job.test)[0])], seconds


def distil(job: Job) -> Answer:
    """Make the static model; its vocabulary is that of the encoder."""
    from model2vec.distill import distill as distil_model  # type: ignore[import-not-found]

    started = time.perf_counter()
    distil_model(job.encoder, device=job.device).save_pretrained(job.static)
    return [], time.perf_counter() - started


def set_fit(job: Job) -> Answer:
    """Learn by SetFit with its defaults."""
    import setfit  # type: ignore[import-not-found]

    texts, labels = job.read(job.train)
    model = setfit.SetFitModel.from_pretrained(job.encoder, device=job.device)
    started = time.perf_counter()
    train_set_fit(model, texts, labels, job.seed, job.static + "-setfit")
    seconds = time.perf_counter() - started
    return [str(label) for label in model.predict(job.read(job.test)[0], show_progress_bar=False)], seconds


PEERS: dict[str, Callable[[Job], Answer]] = {
    peer.__name__: peer
    for peer in (
        tf_idf,
        static_embeddings,
        static_classifier,
        embeddings,
        set_fit,
        tuned_embeddings,
        trainer,
        distil,
    )
}


def main(name: str, folder: str) -> None:
    """Do the job of a folder."""
    job = Job(**json.loads(Path(folder, "job.json").read_text(encoding="utf-8")))
    predicted, seconds = PEERS[name](job)
    answer = {"predicted": [str(label) for label in predicted], "seconds": seconds}
    Path(folder, "answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
