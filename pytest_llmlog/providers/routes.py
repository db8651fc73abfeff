"""Which addresses answer for a language model, and who reads them: by the end of the path on any host, and by known hosts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pytest_llmlog.providers import anthropic, bedrock, bedrock_invoke, cohere, gemini, hosted, ollama
from pytest_llmlog.providers.base import FirstOf, Reader
from pytest_llmlog.providers.openai_chat import Chat, Completions
from pytest_llmlog.providers.openai_media import Embeddings, Images, Moderations, Speech, Transcriptions
from pytest_llmlog.providers.openai_responses import Responses
from pytest_llmlog.providers.other import Beside, Other


class Route(NamedTuple):
    """The end of a path, what is done there, who reads it, and whose API it is on a host that nobody knows."""

    path: re.Pattern[str]
    operation: str
    reader: Reader
    provider: str


def route(path: str, operation: str, reader: Reader, provider: str) -> Route:
    """Make a route of a regular expression for the end of a path."""
    return Route(re.compile(f"(?:{path})/?$"), operation, reader, provider)


_MODEL = r"/models/[^/]+:"

ROUTES: Sequence[Route] = (
    route(r"/api/chat", "chat", ollama.Chat(), "ollama"),
    route(r"/api/generate", "text_completion", ollama.Generate(), "ollama"),
    route(r"/api/embed(?:dings)?", "embeddings", ollama.Embed(), "ollama"),
    route(r"/v1/messages", "chat", anthropic.Messages(), "anthropic"),
    route(r"/v1/messages/count_tokens", "other", Beside(anthropic.Messages(), "messages"), "anthropic"),
    route(r"/v1/messages/batches", "other", Beside(Other(), "requests"), "anthropic"),
    route(rf"/publishers/anthropic{_MODEL}(?:raw|streamRaw)Predict", "chat", anthropic.Messages(), "gcp.vertex_ai"),
    route(rf"/publishers/[^/]+{_MODEL}(?:raw|streamRaw)Predict", "chat", Chat(), "gcp.vertex_ai"),
    route(rf"{_MODEL}(?:g|streamG)enerateContent", "chat", gemini.Generate(), "gcp.gemini"),
    route(rf"{_MODEL}countTokens", "other", Beside(gemini.Generate(), "contents"), "gcp.gemini"),
    route(rf"{_MODEL}(?:embedContent|batchEmbedContents|predict)", "embeddings", gemini.Embed(), "gcp.gemini"),
    route(r"/model/[^/]+/converse(?:-stream)?", "chat", bedrock.Converse(), "aws.bedrock"),
    route(r"/model/[^/]+/invoke(?:-with-response-stream)?", "chat", bedrock_invoke.Invoke(), "aws.bedrock"),
    route(r"/openai/deployments/[^/]+/chat/completions", "chat", Chat(), "azure.ai.openai"),
    route(r"/openai/deployments/[^/]+/embeddings", "embeddings", Embeddings(), "azure.ai.openai"),
    route(r"/chat/completions", "chat", Chat(), "openai"),
    route(r"/v1/chat", "chat", FirstOf(cohere.ChatV1(), Chat()), "cohere"),
    route(r"/v2/chat", "chat", cohere.ChatV2(), "cohere"),
    route(r"/v1/generate", "text_completion", cohere.Generate(), "cohere"),
    route(r"/v[12]/embed", "embeddings", cohere.Inputs(), "cohere"),
    route(r"/v[12]/rerank", "rerank", cohere.Inputs(), "cohere"),
    route(r"/ml/v\d+/text/generation(?:_stream)?", "text_completion", hosted.Watsonx(), "ibm.watsonx.ai"),
    route(r"/ml/v\d+/text/chat(?:_stream)?", "chat", Chat(), "ibm.watsonx.ai"),
    route(r"/v1(?:/models/[^/]+/[^/]+)?/predictions", "text_completion", hosted.Replicate(), "replicate"),
    route(r"/v1/complete", "text_completion", anthropic.Complete(), "anthropic"),
    route(r"/complete", "text_completion", hosted.AlephAlpha(), "aleph_alpha"),
    route(r"/generate(?:_stream)?", "text_completion", hosted.TextGeneration(), "huggingface"),
    route(r"/completions", "text_completion", Completions(), "openai"),
    route(r"/responses", "responses", Responses(), "openai"),
    route(r"/embeddings", "embeddings", Embeddings(), "openai"),
    route(r"/moderations", "moderation", Moderations(), "openai"),
    route(r"/images/(?:generations|edits|variations)", "image", Images(), "openai"),
    route(r"/audio/(?:transcriptions|translations)", "audio", Transcriptions(), "openai"),
    route(r"/audio/speech", "audio", Speech(), "openai"),
)
"""The first whose pattern ends the path has it."""

HOSTS = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "models.inference.ai.azure.com": "azure.ai.inference",
    "models.github.ai": "azure.ai.inference",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "api.groq.com": "groq",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "openrouter.ai": "openrouter",
    "api.mistral.ai": "mistral_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "api.cerebras.ai": "cerebras",
    "api.sambanova.ai": "sambanova",
    "api.voyageai.com": "voyageai",
    "api.writer.com": "writer",
    "api.aleph-alpha.com": "aleph_alpha",
    "api.replicate.com": "replicate",
    "api-inference.huggingface.co": "huggingface",
    "router.huggingface.co": "huggingface",
    "endpoints.huggingface.cloud": "huggingface",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
    "ollama.com": "ollama",
    "api.moonshot.ai": "moonshot",
    "api.z.ai": "zai",
}
"""Known hosts, themselves and whatever ends in a dot and their name, with OpenTelemetry's provider names where it has one."""

REGIONAL = (
    (re.compile(r"(?:^|[.-])aiplatform\.googleapis\.com$"), "gcp.vertex_ai"),
    (re.compile(r"(?:^|\.)bedrock-runtime(?:-fips)?\.[a-z0-9-]+\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$"), "aws.bedrock"),
    (re.compile(r"(?:^|\.)bedrock-mantle\.[a-z0-9-]+\.api\.aws$"), "aws.bedrock"),
)
"""Hosts that have a region in their name."""
