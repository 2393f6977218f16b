"""Selective-Backprop judged: the tables and figures of the thesis's section 4, and where its claims end."""
