"""The peer of tickets: Celery with RabbitMQ, set up as for work that must not be lost.

A durable quorum queue, persistent messages and publisher confirms: what ours uses as well.

    BENCH_BROKER   amqp://…
    BENCH_ROOT     the folder served
"""

import os

from celery import Celery
from kombu import Queue

QUEUE = "celery-bench"

app = Celery("bench", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_ignore_result=True,
    task_default_queue=QUEUE,
    task_queues=[Queue(QUEUE, durable=True, queue_arguments={"x-queue-type": "quorum"})],
    task_default_delivery_mode="persistent",
    # Without it apply_async returns before the broker has the task.
    broker_transport_options={"confirm_publish": True},
    # As many connections as threads that publish.
    broker_pool_limit=64,
)


@app.task(name="list_folder")
def list_folder(ruta, limite):
    """The work of the request that was accepted."""
    return sorted(os.listdir(os.environ["BENCH_ROOT"] + ruta))[:limite]
