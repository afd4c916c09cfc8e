"""The go.mod for another version of Kubernetes; `make live KUBERNETES=…` builds and runs one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from devcluster import MissingToolError, kubernetes_module

PUBLISHED = """// This is a generated file.

module k8s.io/kubernetes

go 1.22.0

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kubectl => ./staging/src/k8s.io/kubectl
)
"""
MADE = """// This is a generated file.

module etpguard.dev/devcluster/kubernetes

go 1.22.0

require k8s.io/api v0.0.0

replace (
	k8s.io/api => k8s.io/api v0.30.14
	k8s.io/kubectl => k8s.io/kubectl v0.30.14
)

require k8s.io/kubernetes v1.30.14
"""


def test_libraries_are_those_published_with_the_version() -> None:
    assert kubernetes_module.go_mod(PUBLISHED, "v1.30.14") == MADE


GO = """#!{python}
import json, pathlib, sys
match sys.argv[1:]:
    case ["mod", "download", "-json", "k8s.io/kubernetes@v1.30.14"]:
        print(json.dumps({{"GoMod": {published!r}}}))
    case ["list", "-mod=mod", "-deps", "a", "b"]:
        pathlib.Path("go.sum").write_text("sums")
    case other:
        print("no matching versions", file=sys.stderr)
        sys.exit(1)
"""


@pytest.fixture
def go(tmp_path: Path) -> Path:
    (tmp_path / "published.mod").write_text(PUBLISHED)
    go = tmp_path / "go"
    go.write_text(GO.format(python=sys.executable, published=str(tmp_path / "published.mod")))
    go.chmod(0o755)
    return go


def test_the_module_is_made_once_and_whole(tmp_path: Path, go: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with pytest.raises(MissingToolError, match=r"k8s.io/kubernetes@v1.99.0: no matching versions"):
        kubernetes_module.make("v1.99.0", ["a", "b"], go, cache)
    assert list(cache.iterdir()) == []
    module = kubernetes_module.make("v1.30.14", ["a", "b"], go, cache)
    assert (module / "go.mod").read_text() == MADE
    assert (module / "go.sum").read_text() == "sums"
    go.unlink()
    assert kubernetes_module.make("v1.30.14", ["a", "b"], go, cache) == module
    assert list(cache.iterdir()) == [module]
