"""Networks: sizes and names turned into a plan, parameters and predictions."""

from .network import Network
from .plan import Plan

__all__ = ["Network", "Plan"]
