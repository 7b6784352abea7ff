"""Report: many runs -> one comparison, as a page, a table and JSON. Knows nothing about how runs come about."""
