"""Answers commands for one release of the Python registry.

A command is one line of JSON on the standard input, an answer one line on the
standard output. A command names a store, what to do there, and its arguments.
The answer holds the versions before and after it, and the error if it failed.
"""

import json
import pathlib
import sys
from dataclasses import asdict

from ubunye.models import registry
from ubunye.models.registry import ModelRegistry, ModelStage

USE_CASE, MODEL = "fraud", "Risk"
LONG = 1000  # a longer string is answered by its length
LOADED = {}  # by store, the record that a later command starts from


class Weights:
    """A model that saves one file."""

    def __init__(self, content):
        self.content = content

    def save(self, path):
        (pathlib.Path(path) / "weights").write_text(self.content)

    def metadata(self):
        return {"library": "python"}


def listing(reg):
    """Returns the versions in the order of list_versions, or None without a model."""
    try:
        versions = reg.list_versions(USE_CASE, MODEL)
    except FileNotFoundError:
        return None
    found = []
    for version in versions:
        folder = str(reg._version_dir(USE_CASE, MODEL, version.version))
        weights = pathlib.Path(folder, "model", "weights")
        content = weights.read_text() if weights.is_file() else None
        found.append({**asdict(version), "content": content})
    return {"versions": found, "production": production(reg), "gates": gates(reg)}


def production(reg):
    """Returns the version in production, loaded by its stage, or None."""
    try:
        path, version = reg.get_model(USE_CASE, MODEL, stage=ModelStage.PRODUCTION)
    except (ValueError, FileNotFoundError):
        return None
    return version.version if (pathlib.Path(path) / "weights").is_file() else None


def gates(reg):
    """Returns the gates of the model, which releases before 0.7 have not."""
    if not hasattr(reg, "promotion_gates"):
        return {}
    return reg.promotion_gates(USE_CASE, MODEL)


def edit(reg, version, metrics):
    """Changes the metrics of a version, as a script does that loads and saves a record."""
    record = reg._load_record(USE_CASE, MODEL)
    reg._get_version_or_raise(record, version).metrics.update(metrics)
    reg._save_record(record)


def run(reg, store, do, version=None, to=None, **more):
    if to is not None:
        to = ModelStage(to)
    if do == "register":
        content, metrics = more.pop("content"), more.pop("metrics")
        reg.register(USE_CASE, MODEL, version, Weights(content), metrics, **more)
    elif do == "promote":
        reg.promote(USE_CASE, MODEL, version, to, **more)
    elif do == "demote":
        reg.demote(USE_CASE, MODEL, version, to)
    elif do == "archive":
        reg.archive(USE_CASE, MODEL, version)
    elif do == "rollback":
        reg.rollback(USE_CASE, MODEL, version)
    elif do == "delete":
        backend = registry.FilesystemRegistryBackend(store)
        backend.delete(use_case=USE_CASE, model_name=MODEL, version=version)
    elif do == "edit":
        edit(reg, version, **more)
    elif do == "compare":
        return reg.compare_versions(USE_CASE, MODEL, version, more["other"])
    elif do not in ("list", "load"):
        raise SystemExit(f"unknown command {do}")


def answer(store, do, stale=False, **args):
    reg = ModelRegistry(store)
    reply = {"before": listing(reg) if do != "list" else None, "error": "", "result": None}
    actor = ModelRegistry(store)
    try:
        if do == "load":
            LOADED[store] = reg._load_record(USE_CASE, MODEL)
        if stale:
            record = LOADED.pop(store)
            actor._load_record = lambda *_: record
        reply["result"] = run(actor, store, do, **args)
    except (ValueError, FileNotFoundError, PermissionError) as error:
        reply["error"] = str(error) or type(error).__name__
    reply["after"] = listing(reg)
    return reply


def shorten(value):
    if isinstance(value, dict):
        return {key: shorten(member) for key, member in value.items()}
    if isinstance(value, list):
        return [shorten(member) for member in value]
    if isinstance(value, str) and len(value) > LONG:
        return f"{len(value)} characters"
    return value


for line in sys.stdin:
    print(json.dumps(shorten(answer(**json.loads(line)))), flush=True)
