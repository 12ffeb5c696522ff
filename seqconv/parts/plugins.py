"""Plugins: Python files of a user's own that register parts."""

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from seqconv.errors import ConfigError
from seqconv.files import is_file
from seqconv.parts.sections import absolute_path

_loaded: dict[str, str] = {}


def load_plugins(names: Iterable[str]) -> None:
    """Import plugins, each once in a process.

    Args:
        names: paths of Python files, or names of modules that Python finds (`my_package.parts`).

    Raises:
        ConfigError: there is no such file or module, it fails, or it was edited since it was imported.
    """
    for name in names:
        if not is_path(name):
            _run(name, partial(import_module, name))
            continue
        path = Path(name).absolute()
        if not is_file(path):
            raise ConfigError(f"plugins: there is no file '{name}'. Give the path of a Python file")
        digest = plugin_digest(name)
        if _loaded.setdefault(str(path), digest) != digest:
            raise _edited(path)
        if not any(_is_from(module, path) for module in list(sys.modules.values())):
            _run(path.name, partial(_import_file, path))


def loaded_plugins() -> dict[str, tuple[str, str]]:
    """Return path and digest of each file that was loaded, by the name of its module."""
    return {_module_name(Path(path)): (path, digest) for path, digest in _loaded.items()}


class PluginFinder:
    """Finder of `sys.meta_path` for a process that works for another one: what arrives pickled names its plugin.

    Args:
        plugins: `loaded_plugins()` of the other process.
    """

    def __init__(self, plugins: Mapping[str, tuple[str, str]]) -> None:
        self._plugins = dict(plugins)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Find the file of a plugin.

        Raises:
            ConfigError: it was edited since the other process imported it.
        """
        if name not in self._plugins:
            return None
        file, digest = self._plugins[name]
        if plugin_digest(file) != digest:
            raise _edited(Path(file))
        return spec_from_file_location(name, file)


def is_path(name: str) -> bool:
    """Whether a plugin is named by the path of its file, not as a module.

    >>> is_path("my_parts.py"), is_path("my_package.parts")
    (True, False)
    """
    return name.endswith(".py") or "/" in name or "\\" in name


def plugin_path(name: str, folder: Path) -> str:
    """Return the absolute path of a plugin as seen from `folder`; the name of a module stays as it is.

    >>> plugin_path("my_parts.py", Path("/work")), plugin_path("my_package.parts", Path("/work"))
    ('/work/my_parts.py', 'my_package.parts')
    """
    return absolute_path(name, folder) if is_path(name) else name


def plugin_digest(name: str) -> str:
    """Compute the SHA-256 of a plugin's file, as hex; of a module, of the file that Python finds.

    Raises:
        ConfigError: there is no such file.
    """
    path = Path(name) if is_path(name) else Path(str(getattr(import_module(name), "__file__", name)))
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"plugins: {name}: {error.strerror}. Give the path of a Python file") from error


def _import_file(path: Path) -> None:
    name = _module_name(path)
    spec = spec_from_file_location(name, path)
    if not isinstance(spec, ModuleSpec) or spec.loader is None:
        raise ConfigError(f"plugins: {path.name} is no Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        _loaded.pop(str(path), None)
        raise


def _module_name(path: Path) -> str:
    """Return a separate name, so that no module of the same name is hidden."""
    return f"seqconv_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _edited(path: Path) -> ConfigError:
    return ConfigError(
        f"plugins: {path.name} was edited after this process had imported it. Start a new Python process"
    )


def _is_from(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).name == path.name and Path(file).absolute() == path


def _run(name: str, load: Callable[[], object]) -> None:
    """Import; the message of an error in a user's file names its line."""
    try:
        load()
    except ConfigError as error:
        raise ConfigError(f"plugins: {name}: {error}") from error
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(
            f"plugins: {name} cannot be imported: {type(error).__name__}: {error} ({last.filename}, line {last.lineno})"
        ) from error
