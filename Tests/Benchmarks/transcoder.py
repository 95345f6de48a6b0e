"""A peer: Envoy makes JSON of gRPC, in front of our own mserv1: what a gateway costs that nobody has to write."""

import base64
import json
import subprocess
from contextlib import contextmanager
from urllib.parse import quote

from machine import Server, free_port
from peers import REPOSITORY, Peer

ENVOY = "Envoy transcoder + our mserv1"
PROTOS = f"{REPOSITORY}/Sources/ArchiveProtocol/Protos"
METHOD = "pasarela.v1.ListingService/ListFolder"


@contextmanager
def envoy(folder, root, certificate, key, bin_folder, binaries, web):
    """Envoy on as many threads as cores, an mserv1 of its own on a Unix socket.

    The protos say nothing of HTTP: `auto_mapping` makes each method a POST with its name, and fields are read from the
    query. What it answers is the message as it is, names and kinds in base64, a column each: no entry has an object of
    its own, as all others' have.
    """
    descriptor, post, port = f"{folder}/listing.pb", f"{folder}/post.json", free_port()
    subprocess.run(
        [f"{bin_folder}/python", "-m", "grpc_tools.protoc", f"-I{PROTOS}", "--include_imports",
         f"--descriptor_set_out={descriptor}", "pasarela/v1/listing.proto"], check=True)
    with open(post, "w") as file:
        file.write("{}")
    with open(f"{folder}/envoy.json", "w") as file:
        json.dump(_configuration(port, descriptor, f"{folder}/mserv1.sock", certificate, key), file)
    mserv1 = Server(
        [f"{binaries}/mserv1"], f"{folder}/mserv1.log", {"PASARELA_ROOT": root, "PASARELA_RUNTIME_DIR": folder})
    process = Server(
        [f"{bin_folder}/envoy", "-c", f"{folder}/envoy.json", "--disable-hot-restart", "-l", "error"],
        f"{folder}/envoy.log")
    with mserv1, process:
        def url(path):
            encoded = quote(base64.b64encode(path.encode()).decode(), safe="")
            return f"https://localhost:{port}/{METHOD}?query.path={encoded}&limit=100"

        peer = Peer(ENVOY, url, {process.pid: "envoy", mserv1.pid: "mserv1"}, _names, post=post)
        process.until(lambda: web.ask(peer, "flat100"))
        yield peer


def _names(body):
    names = base64.b64decode(json.loads(body)["entries"]["names"])
    return names.decode().removesuffix("\0").split("\0")


def _configuration(port, descriptor, socket, certificate, key):
    kind = "type.googleapis.com/envoy.extensions."
    transcoder = {
        "@type": f"{kind}filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder", "proto_descriptor": descriptor,
        "services": [METHOD.partition("/")[0]], "auto_mapping": True}
    manager = {
        "@type": f"{kind}filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "mserv1", "timeout": "10s"}}]}]},
        "http_filters": [
            {"name": "transcoder", "typed_config": transcoder},
            {"name": "router", "typed_config": {"@type": f"{kind}filters.http.router.v3.Router"}}]}
    tls = {
        "@type": f"{kind}transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [
                {"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}]}}
    options = f"{kind}upstreams.http.v3.HttpProtocolOptions"
    return {"static_resources": {
        "listeners": [{
            "name": "https", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}],
                               "transport_socket": {"name": "tls", "typed_config": tls}}]}],
        "clusters": [{
            "name": "mserv1", "type": "STATIC", "connect_timeout": "2s",
            "typed_extension_protocol_options": {options.removeprefix("type.googleapis.com/"): {
                "@type": options, "explicit_http_config": {"http2_protocol_options": {}}}},
            "load_assignment": {"cluster_name": "mserv1", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"pipe": {"path": socket}}}}]}]}}]}}
