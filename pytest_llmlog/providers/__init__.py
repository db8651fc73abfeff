"""Which calls go to a language model, and who reads them: by the end of the path on any host, and by known hosts."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from pytest_llmlog.providers.base import Reader
from pytest_llmlog.providers.openai_chat import Chat, Completions
from pytest_llmlog.providers.openai_media import Embeddings, Images, Moderations, Other, Speech, Transcriptions
from pytest_llmlog.providers.openai_responses import Responses

PATHS: dict[str, tuple[str, Reader]] = {
    "chat/completions": ("chat", Chat()),
    "completions": ("text_completion", Completions()),
    "responses": ("responses", Responses()),
    "embeddings": ("embeddings", Embeddings()),
    "moderations": ("moderation", Moderations()),
    "images/generations": ("image", Images()),
    "images/edits": ("image", Images()),
    "images/variations": ("image", Images()),
    "audio/transcriptions": ("audio", Transcriptions()),
    "audio/translations": ("audio", Transcriptions()),
    "audio/speech": ("audio", Speech()),
}
"""The last one or two segments of a path: operation and reader."""

HOSTS = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "api.groq.com": "groq",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "openrouter.ai": "openrouter",
    "api.mistral.ai": "mistral_ai",
}
"""Known hosts, themselves and whatever ends in a dot and their name, with OpenTelemetry's provider names."""

KEY_VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "azure.ai.openai": "AZURE_OPENAI_API_KEY",
}
"""Environment variables in which SDKs look for a key, and without which their clients cannot even be made."""

OTHER = Other()


class Endpoint(Struct, frozen=True):
    """An address that answers for a language model.

    ``known`` tells that the host alone says so; otherwise the request's body has to agree.
    """

    provider: str
    operation: str
    reader: Reader
    known: bool


def known_host(host: str) -> str | None:
    """The provider of a known host."""
    while host:
        if host in HOSTS:
            return HOSTS[host]
        host = host.partition(".")[2]
    return None


@lru_cache(maxsize=4096)
def recognise(method: str, host: str, path: str) -> Endpoint | None:
    """Say which API a request goes to, or None for traffic that is none of our business. Cheap: nothing is read."""
    provider = known_host(host)
    segments = path.rstrip("/").rsplit("/", 2)
    found = (PATHS.get("/".join(segments[-2:])) or PATHS.get(segments[-1])) if method == "POST" else None
    if found is None:
        return Endpoint(provider, "other", OTHER, True) if provider else None
    if provider is None:
        provider = "azure.ai.openai" if "/openai/deployments/" in path else "openai"
        return Endpoint(provider, *found, False)
    return Endpoint(provider, *found, True)


__all__ = ["HOSTS", "KEY_VARIABLES", "PATHS", "Endpoint", "known_host", "recognise"]
