"""Architectures as data: what a model of each family is expected to hold."""
