"""The tracker node: images and requests in, tracks out."""
