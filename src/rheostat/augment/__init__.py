"""How examples are varied, and which of them are likely mislabelled: Selective-Augment."""

__all__: list[str] = []
