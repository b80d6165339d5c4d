"""opt_einsum: not used; `torch.einsum` finds an order by itself."""

enabled = False
strategy: str | None = None


def is_available() -> bool:
    return False


def get_opt_einsum() -> None:
    return None
