"""What functions of on-demand views were given; Feast runs them from their source text, without what is around them."""

from typing import Any

rows: list[Any] = []
