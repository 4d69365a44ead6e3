"""Training data: shards of context crops, the samplers that draw from them, and the streams that read them."""
