"""Files: texts and rows read as needed, embeddings and rows written as they come. Knows nothing about models."""
