"""The command line, `crypto-features`: one module a command, each of which registers itself on `app`.

A command imports the features where it uses them: what is wrong with a declaration is then an error of the command.
"""

from importlib import import_module
from pkgutil import iter_modules

from crypto_features.cli.app import app

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["app"]
