"""llms.txt, as https://llmstxt.org has it: the pages of the site with what each is about, for language models."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

HEAD = """\
# crypto-features

> Raw candles become leak-tested features, point-in-time training sets, and an online store that a trading bot can
> trust: a Python library and command line over Dagster, Feast and Polars.

A feature is a function from the candles known at time t to one value at that time, declared once. Values that are too
old, incomplete or switched off are `None` with a status, never a number. Nothing here places orders or backtests.
"""


def llms(sections: Iterable[tuple[str, Iterable[tuple[str, str, str]]]]) -> str:
    """The text of the file.

    Args:
        sections: For each title its pages: name, address and Markdown.
    """
    parts = [HEAD]
    for title, pages in sections:
        lines = [f"- [{name}]({address}): {summary(text)}\n" for name, address, text in pages]
        parts.append(f"## {title}\n\n{''.join(lines)}")
    return "\n".join(parts)


def summary(text: str) -> str:
    """The first sentence of a page's prose, without its markup."""
    prose = re.sub(r"^(```|~~~).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    for block in re.split(r"\n\s*\n", prose):
        words = " ".join(block.split())
        if words and not re.match(r"[#|:!<\-*]|\d+\.|\[!", words):
            plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)|\*\*", r"\1", words)
            return re.split(r"(?<=[.:])\s", plain)[0].rstrip(":")
    return "Names and their documentation"


def sections(nav: Iterable[Any], texts: Mapping[str, str]) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """What `llms` needs, from the `nav` of mkdocs.yml and the Markdown of each page by its path."""
    single: list[tuple[str, str, str]] = []
    rest = []
    for entry in nav:
        title, value = next(iter(entry.items())) if isinstance(entry, dict) else ("crypto-features", entry)
        if isinstance(value, list):
            pages = [next(iter(one.items())) for one in value]
            rest.append((title, [(name, _address(path), texts[path]) for name, path in pages]))
        else:
            single.append((title, _address(value), texts[value]))
    yield "Docs", single
    yield from rest


def _address(path: str) -> str:
    return re.sub(r"README\.html$", "index.html", re.sub(r"\.md$", ".html", path))
