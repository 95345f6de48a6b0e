"""celery_bare.py THREADS START SECONDS: apply_async and nothing else, from START (time.time()) on; prints the count.

What Celery can accept at most: no HTTP, no TLS, no parsing of a request.
"""

import sys
import threading
import time

from celery_app import list_folder

threads, start, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
counts = [0] * threads


def publish(number):
    list_folder.apply_async(("/flat100", 100))  # Connects.
    while time.time() < start:
        time.sleep(0.001)
    while time.time() < start + seconds:
        list_folder.apply_async(("/flat100", 100))
        counts[number] += 1


running = [threading.Thread(target=publish, args=(n,)) for n in range(threads)]
for thread in running:
    thread.start()
for thread in running:
    thread.join()
print(sum(counts))
