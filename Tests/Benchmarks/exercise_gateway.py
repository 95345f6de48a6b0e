"""exercise_gateway.py PORT MSERV1 CERTIFICATE KEY: the exercise's gateway: Flask's own server, TLS, a kept channel."""

import logging
import sys

import exercise_pb2
import exercise_pb2_grpc
import flask
import grpc

port, mserv1, certificate, key = sys.argv[1:]
app = flask.Flask(__name__)
# A line on the terminal for each request would be measured as well.
logging.getLogger("werkzeug").setLevel(logging.ERROR)
stub = exercise_pb2_grpc.Mserv1Stub(grpc.insecure_channel(mserv1))


@app.get("/listar_archivos")
def list_names():
    folder = flask.request.args.get("ruta", "/").strip("/")
    return flask.jsonify(archivos=list(stub.List(exercise_pb2.ListRequest(folder=folder)).names))


app.run("127.0.0.1", int(port), ssl_context=(certificate, key))
