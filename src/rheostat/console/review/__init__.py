"""The review page in a browser: a person settles likely label errors, one key each."""

from rheostat.console.review.app import make_app, serve
from rheostat.console.review.desk import ReviewDesk

__all__ = ["ReviewDesk", "make_app", "serve"]
