"""The files in ``deploy/ray``, read as Ray reads them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.kuberay import autoscaling_config
from ray.autoscaler._private.util import prepare_config, validate_config

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "ray"


def job() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())


def cluster_of(job: dict[str, Any]) -> dict[str, Any]:
    """The cluster that the operator makes for the job."""
    metadata = {"name": "rigline", "namespace": "default"}
    return {"metadata": metadata, "spec": copy.deepcopy(job["spec"]["rayClusterSpec"])}


def test_ray_up_would_take_the_cluster_file() -> None:
    config = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())
    validate_config(prepare_config(copy.deepcopy(config)))
    config["ath"] = config.pop("auth")
    with pytest.raises(jsonschema.ValidationError, match="ath"):
        validate_config(prepare_config(config))


def test_the_autoscaler_would_take_the_job_and_no_worker_runs_beside_the_driver() -> None:
    config = autoscaling_config._derive_autoscaling_config_from_ray_cr(cluster_of(job()))
    types = config["available_node_types"]
    head = types.pop(config["head_node_type"])
    assert head["resources"]["CPU"] == 0
    (workers,) = types.values()
    assert workers["resources"]["CPU"] == 4
    assert workers["min_workers"] <= workers["max_workers"] == 50


def test_the_job_asks_for_all_workers_that_the_cluster_may_have() -> None:
    """The pools are sized by the cluster that is there, so it grows only when told how far."""
    config = autoscaling_config._derive_autoscaling_config_from_ray_cr(cluster_of(job()))
    config["available_node_types"].pop(config["head_node_type"])
    (group,) = config["available_node_types"].values()
    program, command, *arguments = job()["spec"]["entrypoint"].split()
    assert (program, command) == ("rigline", "batch")
    asked = int(arguments[arguments.index("--workers") + 1])
    assert asked == group["max_workers"] * group["resources"]["CPU"]
