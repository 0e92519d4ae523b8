"""One turn of the Python registry: turn.py STORE OPERATION [ARGUMENT ...]

STORE is a folder or an s3:// URL. The answer is printed as JSON, on one line.
"""

import json
import pathlib
import sys

from ubunye.models.registry import FilesystemRegistryBackend, ModelRegistry, ModelStage

USE_CASE, MODEL = "fraud_detection", "FraudRiskModel"


class Weights:
    """A model that is saved as one file."""

    def save(self, path):
        pathlib.Path(path, "weights.bin").write_text("weights of Python's")

    def metadata(self):
        return {"library": "none"}


def turn(registry, operation, *arguments):
    if operation == "list":
        versions = registry.list_versions(USE_CASE, MODEL)
        return {v.version: v.stage.value for v in versions}
    if operation == "production":
        _, version = registry.get_model(USE_CASE, MODEL, stage=ModelStage.PRODUCTION)
        return version.version
    if operation == "register":
        (auc,) = arguments
        return registry.register(USE_CASE, MODEL, None, Weights(), {"auc": float(auc)}).version
    if operation == "promote":
        version, stage = arguments
        return registry.promote(
            USE_CASE, MODEL, version, ModelStage(stage), promoted_by="python"
        ).stage.value
    if operation == "archive":
        (version,) = arguments
        return registry.archive(USE_CASE, MODEL, version).stage.value
    if operation == "delete":
        (version,) = arguments
        backend = FilesystemRegistryBackend(sys.argv[1])
        backend.delete(use_case=USE_CASE, model_name=MODEL, version=version)
        return "deleted"
    raise SystemExit(f"no operation {operation!r}")


print(json.dumps(turn(ModelRegistry(sys.argv[1]), *sys.argv[2:])))
