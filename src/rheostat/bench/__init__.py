"""Comparisons and measurements that write records, and the pages and plots drawn from them."""

from rheostat.bench.compare import Arm, arms_of, compare
from rheostat.bench.findings import conditions_of, markdown_table, sentences_of, table_of
from rheostat.bench.overhead import measure_overhead
from rheostat.bench.plots import plots_of
from rheostat.bench.report import write_report

__all__ = [
    "Arm",
    "arms_of",
    "compare",
    "conditions_of",
    "markdown_table",
    "measure_overhead",
    "plots_of",
    "sentences_of",
    "table_of",
    "write_report",
]
