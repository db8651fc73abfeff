"""A stand-in for the OpenAI API on loopback, for trying things out and for tests: a real server, invented answers."""

from openai_standin.server import Received, Reply, StandIn

__all__ = ["Received", "Reply", "StandIn"]
