"""The benchmark ``budget``: what is known after so many seconds, by ours and by what else one would take."""
