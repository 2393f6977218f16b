"""Annotations of the training room are enforced under test, as those of the rooms below it are."""

from jaxtyping import install_import_hook

from tests import typechecker

# a module of Rheostat that is imported before this line is not checked
install_import_hook("rheostat.training", f"{typechecker.__name__}.check")
