# ruff: noqa: A005 - this is tests.select, and never on the path as select
