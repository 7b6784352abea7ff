"""The composition root: the only importer of hydra and omegaconf besides the entry scripts."""
