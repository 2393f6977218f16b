"""Selection in the trainers of others: one file per framework, the only one that imports it.

`rheostat.integrations.lightning` needs `rheostat[lightning]`, `rheostat.integrations.transformers` needs
`rheostat[transformers]`.
"""

__all__: list[str] = []
