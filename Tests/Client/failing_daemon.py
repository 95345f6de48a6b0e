"""An mserv1 that says it is well and answers every call with a failure of its own."""

import importlib
import os
import sys
from concurrent import futures
from pathlib import Path

import grpc
import grpc_tools
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parents[2] / "Sources" / "ArchiveProtocol" / "Protos"


def _service(scratch):
    """The listing service's descriptor, from the .proto files."""
    bundled = Path(grpc_tools.__file__).parent / "_proto"
    made = protoc.main(["protoc", f"-I{PROTOS}", f"-I{bundled}", f"--python_out={scratch}",
                        *sorted(str(path) for path in (PROTOS / "pasarela").rglob("*.proto"))])
    assert made == 0, "protoc failed"
    if scratch not in sys.path:
        sys.path.insert(0, scratch)
    return importlib.import_module("pasarela.v1.listing_pb2").DESCRIPTOR.services_by_name["ListingService"]


class FailingDaemon:
    """Serves while the body runs; `calls` counts what it was asked."""

    def __init__(self, socket, scratch):
        service, self.socket, self.calls = _service(scratch), socket, []
        checks = health.HealthServicer()
        for name in ("", service.full_name):
            checks.set(name, health_pb2.HealthCheckResponse.SERVING)
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        health_pb2_grpc.add_HealthServicer_to_server(checks, self.server)
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service.full_name, {
            method.name: (grpc.unary_stream_rpc_method_handler if method.server_streaming
                          else grpc.unary_unary_rpc_method_handler)(self._fail)
            for method in service.methods})])

    def _fail(self, request, context):
        self.calls.append(request)
        context.abort(grpc.StatusCode.INTERNAL, "it is broken")

    def __enter__(self):
        if os.path.exists(self.socket):
            os.remove(self.socket)
        assert self.server.add_insecure_port(f"unix:{self.socket}"), self.socket
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop(0).wait()
        if os.path.exists(self.socket):
            os.remove(self.socket)
