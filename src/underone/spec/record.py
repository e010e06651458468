"""Versioned records: frozen, strict about fields they do not know, read from JSON by version."""

import json
import warnings
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from ..errors import BadFile

R = TypeVar("R", bound="Frozen")


class Frozen(BaseModel):
    """An immutable record that refuses fields it does not know.

    Only when read with the context ``{"newer": True}`` (a file of a newer minor version) are unknown fields kept.
    Computed fields are written for readers, but derived again when read, never believed.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_computed(cls, raw: Any) -> Any:
        return {k: v for k, v in raw.items() if k not in cls.model_computed_fields} if isinstance(raw, dict) else raw

    @model_validator(mode="after")
    def _refuse_unknown(self, info: ValidationInfo) -> Self:
        if self.model_extra and not (info.context or {}).get("newer"):
            raise ValueError(f"unknown fields: {', '.join(sorted(self.model_extra))}")
        return self

    def unknown_fields(self) -> list[str]:
        """List the fields that this version does not know, nested records included."""
        found = sorted(self.model_extra or {})
        for name in type(self).model_fields:
            value = getattr(self, name)
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, Frozen):
                    found += [f"{name}.{field}" for field in item.unknown_fields()]
        return found


def read_record(kind: type[R], text: str | bytes, version: tuple[int, int], version_field: str, where: str) -> R:
    """Read a versioned record from JSON; keep and warn about fields of a newer minor version."""
    try:
        raw: Any = _json_object(text)
        found = _version(raw.get(version_field, "1.0"))
        if found[0] > version[0]:
            raise ValueError(f"{version_field} {raw[version_field]} is newer than {version[0]}.x; update underone")
        record = kind.model_validate(raw, context={"newer": found > version})
    except (ValueError, ValidationError) as error:
        raise BadFile(f"{where}: no valid {kind.__name__}: {first_line(error)}") from error
    unknown = record.unknown_fields()
    if unknown:
        warnings.warn(f"{where}: kept fields of a newer version: {', '.join(unknown)}", stacklevel=3)
    return record


def _json_object(text: str | bytes) -> dict[str, Any]:
    raw = json.loads(text)
    if not isinstance(raw, dict):
        raise ValueError("the top level must be an object")
    return raw


def _version(text: Any) -> tuple[int, int]:
    parts = str(text).split(".")
    if len(parts) != 2 or not all(p.isdigit() for p in parts):
        raise ValueError(f"version {text!r} is not 'major.minor'")
    return int(parts[0]), int(parts[1])


def first_line(error: Exception) -> str:
    """Say in one line what is wrong: of a record, its first field that is not allowed."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'record'}: {first['msg']}"
    return str(error)
