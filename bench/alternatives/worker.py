"""Runs operations of MLflow's or Ubunye's registry, and prints their times.

python worker.py REGISTRY STORE OPERATION [ARGUMENT] runs one operation. With
"serve", it runs an operation for each line of its input. It prints the time of
each in nanoseconds, and its result.
"""

import os
import sys
import time
import warnings


class MLflow:
    """The registry of MLflow, with its SQLite store as it is by default."""

    def __init__(self, store):
        from mlflow import MlflowClient

        warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated
        uri = f"sqlite:///{store}/mlflow.db"
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.artifacts = f"{store}/artifacts"
        self.name = "FraudRiskModel"

    def fill(self, n):
        self.client.create_registered_model(self.name)
        for _ in range(int(n)):
            self.client.create_model_version(self.name, self.artifacts, await_creation_for=0)

    def point(self, version):
        self.client.set_registered_model_alias(self.name, "champion", version)

    def promote(self, version):
        self.client.transition_model_version_stage(
            self.name, version, "Production", archive_existing_versions=True
        )

    def get(self):
        return self.client.get_model_version_by_alias(self.name, "champion").version

    def list(self):
        versions, token = [], None
        while token != "":
            page = self.client.search_model_versions(
                f"name='{self.name}'", max_results=10_000, page_token=token
            )
            versions += page
            token = page.token or ""
        return len(versions)

    def register(self):
        folder = f"{self.artifacts}/{os.urandom(8).hex()}"
        os.makedirs(folder)
        with open(f"{folder}/weights.bin", "wb") as f:
            f.write(bytes(1024))
        self.client.create_model_version(self.name, folder, await_creation_for=0)


class Ubunye:
    """The registry of Ubunye, on a folder."""

    def __init__(self, store):
        from ubunye.models import ModelRegistry, ModelStage

        self.registry = ModelRegistry(store)
        self.production = ModelStage.PRODUCTION
        self.name = "fraud_detection", "FraudRiskModel"

    def promote(self, version):
        self.registry.promote(*self.name, version, self.production)

    point = promote

    def get(self):
        return self.registry.get_model(*self.name, stage=self.production)[1].version

    def list(self):
        return len(self.registry.list_versions(*self.name))

    def register(self):
        metrics = {"accuracy": 0.9471, "auc": 0.9312, "loss": 0.1944}
        self.registry.register(*self.name, None, Small(), metrics)


class Small:
    """A model of one small file."""

    def save(self, path):
        with open(f"{path}/weights.bin", "wb") as f:
            f.write(bytes(1024))

    def metadata(self):
        return {"drift_check_passed": True, "features": 31, "framework": "gonum"}


def run(registry, operation, *arguments):
    start = time.perf_counter_ns()
    result = getattr(registry, operation)(*arguments)
    took = time.perf_counter_ns() - start
    print(took, result, flush=True)


def main(kind, store, operation, *arguments):
    registry = {"mlflow": MLflow, "ubunye": Ubunye}[kind](store)
    if operation != "serve":
        run(registry, operation, *arguments)
        return
    for line in sys.stdin:
        run(registry, *line.split())


main(*sys.argv[1:])
