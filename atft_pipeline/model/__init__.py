"""The network: building blocks, one per file, and ATFT-GAT-FAN assembled from them."""

from atft_pipeline.model.atft_gat_fan import AtftGatFan
from atft_pipeline.model.build import build_model
from atft_pipeline.model.graph import BatchGraph
from atft_pipeline.model.layout import InputLayout
from atft_pipeline.model.prediction import Prediction

__all__ = ["AtftGatFan", "BatchGraph", "InputLayout", "Prediction", "build_model"]
