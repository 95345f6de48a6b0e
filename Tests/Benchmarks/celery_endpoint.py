"""Accepts the same request over HTTP as ours does, and makes it a Celery task: 202, a Location, a document.

For gunicorn behind an nginx that does TLS: `gunicorn celery_endpoint:server`.
"""

import datetime

from flask import Flask, jsonify, request

from celery_app import list_folder

server = Flask(__name__)


@server.get("/listar_archivos")
def accept():
    limite = int(request.args.get("limite", 100))
    task = list_folder.apply_async((request.args.get("ruta", "/"), limite))
    now = datetime.datetime.now(datetime.timezone.utc)
    answer = jsonify(solicitud={
        "id": task.id, "estado": "en_espera", "creada": now.isoformat(timespec="milliseconds"),
        "caduca": (now + datetime.timedelta(days=1)).isoformat(timespec="milliseconds")})
    answer.status_code = 202
    answer.headers["Location"] = "/solicitudes/" + task.id
    answer.headers["Retry-After"] = "1"
    return answer
