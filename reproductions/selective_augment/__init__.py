"""Selective-Augment judged: which labels are wrong, how often to augment, and with what."""
