"""Packages that only some tests need: the extra `test` goes without them, CI does not."""

import os
from importlib.util import find_spec

import pytest

# The package that is imported, and the extra that brings it.
EXTRAS = {
    "jax": "jax",
    "torch": "torch",
    "mkdocs": "docs",
    "audiomentations": "augment",
    "av": "media",
    "optuna": "tune",
    "mlflow": "mlflow",
    "aiohttp": "test-all",
    "s3fs": "test-all",
    "selenium": "test-all",
    "nbclient": "test-all",
    "nbformat": "test-all",
    "ipykernel": "test-all",
    "datasets": "test-all",
    "lhotse": "test-all",
}


def require(*packages: str) -> None:
    """Skip this test, or this module, where one of the packages is not installed; in CI, fail."""
    for package in packages:
        if find_spec(package) is None:
            reason = f"{package} is not installed: pip install -e '.[{EXTRAS[package]}]'"
            assert "CI" not in os.environ, f"{reason}; CI skips no test for want of a package"
            pytest.skip(reason, allow_module_level=True)
