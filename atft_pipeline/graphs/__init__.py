"""Who moves with whom: correlation edges and industry nodes of a session, keyed by Code."""

from atft_pipeline.graphs.build import Graph, build_graph
from atft_pipeline.graphs.series import graphs_for_sessions
from atft_pipeline.graphs.store import GraphStore

__all__ = ["Graph", "GraphStore", "build_graph", "graphs_for_sessions"]
