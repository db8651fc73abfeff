"""A small support-ticket application on the openai SDK. It knows nothing of pytest-llmlog."""
