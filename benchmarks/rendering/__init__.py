"""What the documentation says of the code itself, and of all records together; `benchmarks/render.py` asks for it."""
