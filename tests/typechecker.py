"""The checker that enforces annotations under test."""

from beartype import BeartypeConf, beartype

# an int will do where a float is annotated, as PEP 484 says
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
