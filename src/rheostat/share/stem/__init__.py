"""The base where heads are trained: cut into layers, stems that stay as they are, heads that learn, written as ONNX."""

from rheostat.share.stem.bases import load_base
from rheostat.share.stem.cut import cut
from rheostat.share.stem.network import Chain, Network, Stem
from rheostat.share.stem.onnx import to_onnx
from rheostat.share.stem.writing import write_base

__all__ = ["Chain", "Network", "Stem", "cut", "load_base", "to_onnx", "write_base"]
