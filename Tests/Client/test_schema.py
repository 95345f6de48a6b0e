"""schemathesis reads /openapi.json and tries what it allows, and what it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance", "unsupported_method",
          "negative_data_rejection"]


def run(seed, *more):
    """schemathesis on the running service; its report is shown when it found something."""
    made = subprocess.run(
        [Path(sys.executable).parent / "schemathesis", "run", os.environ["PASARELA_URL"] + "/openapi.json",
         "--tls-verify", os.environ["PASARELA_CA"], "--request-timeout", "20", "--workers", "1",
         "--seed", str(seed), "--generation-database", "none", "--no-color",
         "--checks", ",".join(CHECKS), *more],
        capture_output=True, text=True, timeout=540, cwd="/", check=False)
    assert made.returncode == 0, made.stdout[-8000:] + made.stderr[-3000:]
    return made.stdout


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_what_the_schema_says_is_what_is_answered(client, seed, mode):
    number = sum(seed.encode()) if not seed.isdigit() else seed
    out = run(number, "--mode", mode, "--max-examples", "60", "--phases", "examples,coverage,fuzzing")
    assert "/listar_archivos" in client.ask("/openapi.json").body.decode() and "passed" in out.lower()


def test_the_schema_names_every_parameter_and_status(client):
    document = client.ask("/openapi.json").json()
    wanted = {"ruta", "limite", "cursor", "orden", "directorios_primero", "tipo", "ocultos", "total", "formato",
              "encolar"}
    for path, names in (("/listar_archivos", wanted), ("/buscar_archivos", wanted | {"q"})):
        operation = document["paths"][path]["get"]
        told = [resolved(document, p) for p in operation.get("parameters", [])
                + document["paths"][path].get("parameters", [])]
        assert {p["name"] for p in told if p["in"] == "query"} == names
        assert {"200", "304", "400", "403", "404", "406", "500", "503"} <= set(operation["responses"])
    assert {"/salud", "/salud/listo"} <= set(document["paths"])
    assert {"/solicitudes/{id}", "/solicitudes/{id}/resultado", "/metricas"} <= set(document["paths"])


def resolved(document, item):
    """What a `$ref` within the document points to."""
    if "$ref" not in item:
        return item
    assert item["$ref"].startswith("#/")
    found = document
    for part in item["$ref"][2:].split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found
