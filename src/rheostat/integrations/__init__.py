"""Rheostat in the frameworks of others: one file per framework, the only one that imports it.

`rheostat.integrations.lightning` needs `rheostat[lightning]`, `rheostat.integrations.transformers` needs
`rheostat[transformers]`: selection in their trainers. `rheostat.integrations.ray` needs `rheostat[ray]`: packages and
fleets on a cluster.
"""

__all__: list[str] = []
