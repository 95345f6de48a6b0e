"""exercise_mserv1.py ADDRESS ROOT: the exercise's daemon: grpcio, 10 threads, `os.listdir` for each call."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import exercise_pb2
import exercise_pb2_grpc
import grpc

address, root = sys.argv[1:]


class Mserv1(exercise_pb2_grpc.Mserv1Servicer):
    def List(self, request, context):
        return exercise_pb2.ListReply(names=os.listdir(os.path.join(root, request.folder)))


server = grpc.server(ThreadPoolExecutor(max_workers=10))
exercise_pb2_grpc.add_Mserv1Servicer_to_server(Mserv1(), server)
server.add_insecure_port(address)
server.start()
server.wait_for_termination()
