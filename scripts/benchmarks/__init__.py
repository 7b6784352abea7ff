"""The contests behind ``scripts/benchmark.py``."""
