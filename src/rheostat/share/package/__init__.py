"""The package of an app: what M-Trainer makes and a node reads."""
