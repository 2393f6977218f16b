"""What the extras weigh, for the documentation. `scripts/release --record` writes the record: it installs each one."""

from __future__ import annotations

from typing import Any

_FOR = {
    "core": "plans",
    "train": "training, suspects, packages",
    "edge": "a node",
    "console": "the pages alone",
    "edge,console": "a node with its page",
    "lightning": "`train` and Lightning",
    "transformers": "`train` and Transformers",
    "ray": "several nodes as one",
    "all": "everything",
}


def pieces(record: dict[str, Any]) -> dict[str, str]:
    """The table of what each extra weighs, and the conditions."""
    rows = record["rows"]
    lines = ["| extra | for | installed | distributions | processor time of the install |", "|---|---|---:|---:|---:|"]
    for extra in sorted(rows, key=list(_FOR).index):
        row = rows[extra]
        name = "none" if extra == "core" else f"`{extra}`"
        lines.append(
            f"| {name} | {_FOR[extra]} | {row['megabytes']:,.0f} MB | {row['distributions']} | "
            f"{row['install_processor_s']:.0f} s |"
        )
    environment = record["environment"]
    commits = list(dict.fromkeys(row.get("commit", environment["commit"]) for row in rows.values()))
    conditions = (
        f"Each extra of the wheel ({record['wheel_bytes'] / 1000:,.0f} kB; the sdist has "
        f"{record['sdist_bytes'] / 1000:,.0f} kB) installed into an empty environment with the versions of "
        f"`constraints.txt`, downloads included, and used there, by `scripts/release`; {environment['processor']}, "
        f"Python {environment['python']}, commit {', '.join(commits)}."
    )
    return {"table": "\n".join(lines), "conditions": conditions}
