"""What the build writes itself: the HTTP reference from the OpenAPI document, settings and formats from theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OPENAPI, SETTINGS, FORMATS = "<!-- openapi -->", "<!-- settings -->", "<!-- formats -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the markers in."""
    if OPENAPI in markdown:
        markdown = markdown.replace(OPENAPI, http_reference())
    if FORMATS in markdown:
        markdown = markdown.replace(FORMATS, formats_table())
    return markdown.replace(SETTINGS, settings_table()) if SETTINGS in markdown else markdown


def formats_table() -> str:
    """One row a format."""
    from orbitview.formats import ABOUT

    needs = {"turn": "an engine with geometry", "mesh": "an engine with geometry"}
    rows = ["| format | makes | what it is | needs |", "|---|---|---|---|"]
    for name, about in ABOUT.items():
        file = f"`{about.file}`" if about.file else ""
        rows.append(f"| `{name}` | {file} | {about.summary} | {needs.get(about.kind, '')} |")
    return "\n".join(rows)


def settings_table() -> str:
    """One row a setting."""
    from orbitview.config import Settings

    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in ("", None) else f"`{field.default}`"
        rows.append(f"| `ORBITVIEW_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def http_reference() -> str:
    """Every route with its parameters, body fields and answers."""
    from orbitview.config import Settings
    from orbitview.server.app import create_app

    document = create_app(Settings(data_dir=Path("unused"))).openapi()
    models = document["components"]["schemas"]

    def resolve(schema: dict[str, Any]) -> dict[str, Any]:
        return models[schema["$ref"].split("/")[-1]] if "$ref" in schema else schema

    def kind(schema: dict[str, Any]) -> str:
        if "$ref" in schema:
            return schema["$ref"].split("/")[-1]
        if "anyOf" in schema:
            return " or ".join(kind(s) for s in schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return ", ".join(f"`{v}`" for v in schema.get("enum", [schema.get("const")]))
        if schema.get("type") == "array":
            return f"list of {kind(schema.get('items', {}))}"
        return str(schema.get("type", "any"))

    def fields(schema: dict[str, Any]) -> list[str]:
        shape = resolve(schema)
        if "properties" not in shape:
            return []
        rows = ["", "| field | type | default | meaning |", "|---|---|---|---|"]
        for name, value in shape["properties"].items():
            default = "required" if name in shape.get("required", []) else f"`{json.dumps(value.get('default'))}`"
            rows.append(f"| `{name}` | {kind(value)} | {default} | {value.get('description', '')} |")
        return [*rows, ""]

    lines: list[str] = []
    for tag in ("Hosted API", "Views", "Operations"):
        lines += [f"## {tag}", ""]
        for path, methods in document["paths"].items():
            for method, route in methods.items():
                if tag not in route.get("tags", []):
                    continue
                lines += [f"### `{method.upper()} {path}`", "", route.get("description", route.get("summary", "")), ""]
                parameters = route.get("parameters", [])
                if parameters:
                    lines += ["| parameter | in | type | meaning |", "|---|---|---|---|"]
                    for p in parameters:
                        meaning = p.get("description", "")
                        lines.append(f"| `{p['name']}` | {p['in']} | {kind(p['schema'])} | {meaning} |")
                    lines.append("")
                content = route.get("requestBody", {}).get("content", {})
                if "application/json" in content:
                    lines += fields(content["application/json"]["schema"])
                answers = ", ".join(f"{code} ({a['description']})" for code, a in route["responses"].items())
                lines += [f"Answers: {answers}.", ""]
    lines += ["## Objects", ""]
    for name in (
        "JobModel",
        "FileModel",
        "CameraModel",
        "ErrorModel",
        "Problem",
        "EngineModel",
        "Success",
        "Processing",
    ):
        if name in models:
            lines += [f"### {name}", "", models[name].get("description", ""), *fields(models[name])]
    return "\n".join(lines)
