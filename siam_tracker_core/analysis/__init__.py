"""Networks looked at from outside: stride, receptive field, padding, cost and crop sizes."""
