"""Parameters held to the specification: typed, or refused in Stripe's words.

A parameter that was set to the empty string ("unset") comes out as "" where its schema allows it.
"""

from typing import Any

from .errors import NotExecuted, bad_parameter
from .spec import Schema

Params = dict[str, Any]

UNSET_THOUGH_UNSPECIFIED = {"invoice_settings[default_payment_method]"}
"""Where Stripe takes "" though its specification does not say so (stripe/stripe-ruby, issue 1151)."""

INTEGER_DIGITS_MAX = 18
METADATA_KEYS_MAX = 50
METADATA_KEY_LENGTH_MAX = 40
METADATA_VALUE_LENGTH_MAX = 500


def check(schema: Schema, form: Params) -> Params:
    """The typed parameters of one operation. Raises NotExecuted (400)."""
    return _object(schema, form, name="")


def _nested(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key


def _object(schema: Schema, value: Any, *, name: str) -> Params:
    if not isinstance(value, dict):
        raise bad_parameter("Invalid object", param=name)
    properties = schema.get("properties")
    if properties is None:
        return _map(schema, value, name=name)
    unknown = [_nested(name, key) for key in value if key not in properties]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise bad_parameter(
            f"Received unknown parameter{plural}: {', '.join(unknown)}",
            param=unknown[0],
            code="parameter_unknown",
        )
    for key in schema.get("required", ()):
        if key not in value:
            path = _nested(name, key)
            raise bad_parameter(f"Missing required param: {path}.", param=path, code="parameter_missing")
    return {key: _value(properties[key], one, name=_nested(name, key)) for key, one in value.items()}


def _map(schema: Schema, value: Params, *, name: str) -> Params:
    """Free keys: metadata, and little else."""
    items = schema.get("additionalProperties")
    if not isinstance(items, dict):
        return value
    typed = {key: _value(items, one, name=_nested(name, key)) for key, one in value.items()} if value else {}
    if name.endswith(("metadata", "metadata]")):
        _check_metadata(typed, name=name)
    return typed


def _check_metadata(metadata: Params, *, name: str) -> None:
    if len(metadata) > METADATA_KEYS_MAX:
        raise bad_parameter(f"Metadata can have at most {METADATA_KEYS_MAX} keys.", param=name)
    for key, value in metadata.items():
        if len(key) > METADATA_KEY_LENGTH_MAX:
            raise bad_parameter(
                f"Metadata keys can have up to {METADATA_KEY_LENGTH_MAX} characters, but the key '{key}' "
                f"has {len(key)}.",
                param=name,
            )
        if len(value) > METADATA_VALUE_LENGTH_MAX:
            raise bad_parameter(
                f"Metadata values can have up to {METADATA_VALUE_LENGTH_MAX} characters, "
                f"but you passed in a value that is {len(value)} characters. Invalid value: {value}",
                param=_nested(name, key),
            )


def _value(schema: Schema, value: Any, *, name: str) -> Any:
    if "anyOf" in schema:
        return _any_of(schema["anyOf"], value, name=name)
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, value, name=name)
    if kind == "array":
        return _array(schema, value, name=name)
    return _scalar(schema, value, name=name)


def _any_of(schemas: list[Schema], value: Any, *, name: str) -> Any:
    """The first alternative that fits. Where none does, the complaint that fits the value best."""
    complaints: list[NotExecuted] = []
    for schema in sorted(schemas, key=lambda one: not _same_shape(one, value)):
        try:
            return _value(schema, value, name=name)
        except NotExecuted as complaint:
            complaints.append(complaint)
    raise complaints[0]


def _same_shape(schema: Schema, value: Any) -> bool:
    if isinstance(value, dict):
        return schema.get("type") in {"object", "array"}
    if value == "":
        return "" in schema.get("enum", ())
    return schema.get("type") not in {"object", "array"} and schema.get("enum") != [""]


def _array(schema: Schema, value: Any, *, name: str) -> list[Any]:
    if not isinstance(value, dict) or not all(key.isdigit() for key in value):
        raise bad_parameter("Invalid array", param=name)
    items = schema.get("items", {})
    ordered = sorted(value, key=int)
    return [_value(items, value[key], name=f"{name}[{key}]") for key in ordered]


def _scalar(schema: Schema, value: Any, *, name: str) -> Any:
    if isinstance(value, dict):
        raise bad_parameter("Invalid string: expected one value, not a hash or an array.", param=name)
    allowed = schema.get("enum")
    if value == "" and name in UNSET_THOUGH_UNSPECIFIED:
        return value
    if value == "" and (allowed is None or "" not in allowed) and "metadata" not in name:
        raise bad_parameter(
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a "
            "parameter; "
            f"however '{name}' cannot be unset. You should remove '{name}' from your request or supply a "
            "non-empty value.",
            param=name,
            code="parameter_invalid_empty",
        )
    typed = _SCALARS.get(schema.get("type", "string"), _string)(schema, value, name)
    if allowed is not None and typed not in allowed:
        raise bad_parameter(f"Invalid {name}: must be one of {_either(allowed)}", param=name)
    return typed


def _either(allowed: list[Any]) -> str:
    names = [str(one) for one in allowed if one != ""]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, or {names[-1]}"


def _string(schema: Schema, value: str, name: str) -> str:
    longest = schema.get("maxLength")
    if longest is not None and len(value) > longest:
        raise bad_parameter(
            f"Invalid string: {value[:10]}...{value[-6:]}; must be at most {longest} characters", param=name
        )
    return value


def _integer(_schema: Schema, value: str, name: str) -> int:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= INTEGER_DIGITS_MAX):
        raise bad_parameter(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
    return int(value)


def _boolean(_schema: Schema, value: str, name: str) -> bool:
    if value not in {"true", "false"}:
        raise bad_parameter(f"Invalid boolean: {value}", param=name)
    return value == "true"


def _number(_schema: Schema, value: str, name: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise bad_parameter(f"Invalid decimal: {value}", param=name) from None


_SCALARS = {"integer": _integer, "boolean": _boolean, "number": _number, "string": _string}
