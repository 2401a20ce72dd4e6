"""Schemas that others publish in packages, fetched when a test asks and read as data."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

KUBERNETES = "v1.34.0-local-strict"
PACKAGES = ("kubernetes-validate==1.37.0", "kserve==0.21.0")
_PLAIN = {"str": str, "int": int, "float": (int, float), "bool": bool, "object": object}


def fetched(folder: Path) -> Path:
    """A folder with the packages' files. They are read and never imported: no dependency is needed,
    and no environment grows by their 17,000 files."""
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:",
         "--python", sys.executable, "--target", folder, *PACKAGES],
        check=True, capture_output=True, timeout=170,
    )  # fmt: skip
    return folder


def compose_errors(document: Any) -> list[str]:
    """What is wrong with a compose file by the Compose Specification."""
    vendored = resources.files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json"
    validator = jsonschema.Draft202012Validator(json.loads(vendored.read_text()))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


class ClusterSchemas:
    """What Kubernetes and KServe accept: nothing unknown, nothing of a wrong type."""

    def __init__(self, folder: Path) -> None:
        self._kubernetes = folder / "kubernetes_validate" / "kubernetes-json-schema" / KUBERNETES
        self._kserve = folder / "kserve" / "models"

    def errors(self, document: dict[str, Any]) -> list[str]:
        """What is wrong with one object of a cluster."""
        group, _, version = document["apiVersion"].rpartition("/")
        if group.startswith("serving.kserve.io"):
            return list(self._kserve_errors("$", document, f"V1beta1{document['kind']}"))
        parts = [document["kind"].lower(), group.partition(".")[0], version]
        path = self._kubernetes / f"{'-'.join(filter(None, parts))}.json"
        return self._schema_errors("$", document, json.loads(path.read_text()))

    @cached_property
    def _registry(self) -> Registry[Any]:
        def retrieve(uri: str) -> Resource[Any]:
            path = self._kubernetes / uri.rpartition("/")[2]
            return Resource.opaque(json.loads(path.read_text()))

        return Registry(retrieve=retrieve)

    def _schema_errors(self, at: str, document: Any, schema: dict[str, Any]) -> list[str]:
        validator = jsonschema.Draft202012Validator(schema, registry=self._registry)
        return [
            f"{at}{error.json_path.removeprefix('$')}: {error.message}"
            for error in validator.iter_errors(document)
        ]

    def _kserve_errors(self, at: str, value: Any, kind: str) -> Iterator[str]:
        """By the types that KServe's own client is generated with."""
        if match := re.fullmatch(r"list\[(.*)\]", kind):
            for number, item in enumerate(value):
                yield from self._kserve_errors(f"{at}[{number}]", item, match[1])
        elif match := re.fullmatch(r"dict\(str, (.*)\)", kind):
            for key, item in value.items():
                yield from self._kserve_errors(f"{at}.{key}", item, match[1])
        elif kind in _PLAIN:
            if not isinstance(value, _PLAIN[kind]):
                yield f"{at}: {value!r} is not of type {kind}"
        elif kind == "ResourceQuantity":
            if not isinstance(value, str | int):
                yield f"{at}: {value!r} is no quantity"
        elif (path := self._kserve / f"{_snake(kind)}.py").is_file():
            types = _class_dicts(path)
            keys = {types["attribute_map"][name]: t for name, t in types["openapi_types"].items()}
            for key, item in value.items():
                if key not in keys:
                    yield f"{at}: {key!r} is unknown to {kind}"
                else:
                    yield from self._kserve_errors(f"{at}.{key}", item, keys[key])
        else:
            of_all = kind == "V1ObjectMeta"
            place = "io.k8s.apimachinery.pkg.apis.meta" if of_all else "io.k8s.api.core"
            name = f"{place}.v1.{kind.removeprefix('V1')}"
            yield from self._schema_errors(at, value, {"$ref": f"_definitions.json#/$defs/{name}"})


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _class_dicts(path: Path) -> dict[str, dict[str, str]]:
    """The literal dictionaries of the class in a module."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            (target,) = node.targets
            if isinstance(target, ast.Name):
                found[target.id] = ast.literal_eval(node.value)
    return found
