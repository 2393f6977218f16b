"""The figures of Mainstream (Jiang et al., USENIX ATC 2018): claimed, published, by the published rule, and optimal."""
