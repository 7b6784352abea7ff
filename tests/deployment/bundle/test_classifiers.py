import torch
from support.bundles import MAX_LENGTH, bundle_tokenizer, texts
from support.fakes import word_tokenizer

from polyhead.deployment.bundle.classifiers import write_classifiers


def test_classifiers_of_stock_modules_give_the_logits(tmp_path, model, tasks):
    from sentence_transformers import CrossEncoder

    write_classifiers(tmp_path, model.eval(), tasks, bundle_tokenizer())
    for task in tasks:
        theirs = CrossEncoder(str(tmp_path / "classifiers" / task.name), device="cpu").eval()
        assert {type(module).__module__.split(".")[0] for module in theirs} == {"sentence_transformers"}
        assert theirs.num_labels == len(task.labels)
        assert theirs[0].model.config.id2label == dict(enumerate(task.labels))
        assert theirs[0].model.config.label2id == {label: index for index, label in enumerate(task.labels)}
        with torch.inference_mode():
            found = theirs(theirs.preprocess(texts(30)))["scores"]
            ids = [word_tokenizer()(t, truncation=True, max_length=MAX_LENGTH)["input_ids"] for t in texts(30)]
            embeddings = torch.cat([model.encoder(torch.tensor([row])) for row in ids])
            expected = model.classify(embeddings)[task.name]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
