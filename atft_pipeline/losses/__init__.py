"""Losses of one trading day over its valid stocks, the Sharpe loss over days, and their weighted sum."""

from atft_pipeline.losses.composite import CompositeLoss, Labels, MicroBatch
from atft_pipeline.losses.cs_ic import cs_ic_loss
from atft_pipeline.losses.huber import huber_loss
from atft_pipeline.losses.list_net import list_net, list_net_kl
from atft_pipeline.losses.path import path_loss
from atft_pipeline.losses.quantile import quantile_loss
from atft_pipeline.losses.rank_ic import rank_ic_loss
from atft_pipeline.losses.sharpe import portfolio_returns, sharpe_day_weights, sharpe_loss

__all__ = [
    "CompositeLoss",
    "Labels",
    "MicroBatch",
    "cs_ic_loss",
    "huber_loss",
    "list_net",
    "list_net_kl",
    "path_loss",
    "portfolio_returns",
    "quantile_loss",
    "rank_ic_loss",
    "sharpe_day_weights",
    "sharpe_loss",
]
