"""Views translate: parse, call one use case, respond."""
