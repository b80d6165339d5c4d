"""visdom: a server and a client. The scripts of its page, which the server fetches first, are not needed for that."""

import json
import socket
import subprocess
import sys
import time

import torch
import visdom

with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
program = "from visdom.server.run_server import main; main()"
server = subprocess.Popen(
    [sys.executable, "-c", program, "-port", str(port), "--hostname", "localhost", "-env_path", "."],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)  # fmt: skip
try:
    for _ in range(100):
        with socket.socket() as attempt:
            if attempt.connect_ex(("localhost", port)) == 0:
                break
        time.sleep(0.2)
    client = visdom.Visdom("http://localhost", port=port, raise_exceptions=True, use_incoming_socket=False)
    loss = client.line(torch.tensor([3.0, 2.0]), torch.tensor([0.0, 1.0]), opts=dict(title="loss"))
    client.line(torch.tensor([1.0]), torch.tensor([2.0]), win=loss, update="append")
    client.images(torch.rand(4, 3, 8, 8))
    client.heatmap(torch.rand(4, 5))
    client.scatter(torch.rand(20, 2), torch.arange(20) % 2 + 1)
    client.histogram(torch.rand(30))
    (trace,) = json.loads(client.get_window_data(loss))["content"]["data"]
    print()
    print(json.dumps({"x": trace["x"], "y": trace["y"], "windows": len(json.loads(client.get_window_data(None)))}))
finally:
    server.terminate()
    server.wait(10)
