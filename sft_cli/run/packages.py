"""Packages that only some flags need."""

from __future__ import annotations

from sft_cli.run.errors import UserError


def require(package: str, flag: str, extra: str) -> None:
    """Raise UserError, naming the flag that needs it and how to get it, if a package cannot be imported."""
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise UserError(f"{flag}: needs the package {package}\nhint: pip install 'sft-toolchain[{extra}]'")
