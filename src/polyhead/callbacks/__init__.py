"""Callbacks: what watches a Trainer at work, writes down what it sees, and may end it; none changes a step."""
