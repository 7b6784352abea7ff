"""Sources: the user's own sentences, in files or in a hub data set, read, checked, cut and handed out as splits.

Knows nothing about encoders or batches.
"""

from polyhead.sources.locations import FileSource, HubSource

__all__ = ["FileSource", "HubSource"]
