"""`catalog.json` of a run directory: the schemas its jobs were checked against, kept from the first job on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from batchgen import errors
from batchgen.catalog.schema import ModelSpec, build

FORMAT = 1


def document(specs: Iterable[ModelSpec]) -> bytes:
    """Return the file's content: the same specs in any order give the same bytes."""
    models = {
        spec.id: {
            "count_field": spec.count_field,
            "input_schema": {"properties": spec.properties, "required": spec.required},
            "sources": spec.sources,
        }
        for spec in specs
    }
    content = {"format": FORMAT, "models": models}
    return (json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode("utf-8")


def read(path: Path) -> dict[str, ModelSpec]:
    """Return the pinned specs by model id, none where the file does not exist yet.

    Raises LedgerError with the path and the fix where the file cannot be understood.
    """
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return {model_id: _spec(model_id, entry) for model_id, entry in _models(content).items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise errors.LedgerError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise errors.LedgerError(
            f"{path}: not a catalog that batchgen wrote ({error}); restore it, or replace it with --refresh-schema"
        ) from error


def _models(content: Mapping[str, object]) -> Mapping[str, object]:
    models = content.get("models")
    if not isinstance(models, dict):
        raise ValueError("it has no models")
    return models


def _spec(model_id: str, entry: object) -> ModelSpec:
    schema = entry.get("input_schema") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(schema, dict):
        raise ValueError(f"no input_schema for {model_id}")
    count, sources = entry.get("count_field"), entry.get("sources")
    words = tuple(word for word in sources if isinstance(word, str)) if isinstance(sources, list) else ()
    return build(model_id, schema, count if isinstance(count, str) else None, words)
