"""Bundle: a trained model as a folder that loads elsewhere: weights, heads, graph, stored sentences, model card."""
