"""Search for hyper-parameters on sequences that no result is reported on."""
