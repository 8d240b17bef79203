"""Add-ons shown on a base model: LoRA and its relatives, embeddings, hypernetworks.

``names`` knows which layer of the base a tensor belongs to, ``deltas`` what it adds to that layer,
``lora`` puts it in and takes it out again; ``embedding`` and ``hypernetwork`` do the same for
their kinds. ``showing`` makes the pictures with and without.
"""
