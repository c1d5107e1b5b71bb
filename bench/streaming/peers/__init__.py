"""A file a library: `build(weights)` gives a `Contestant`, `PACKAGES` names what it is measured with."""
