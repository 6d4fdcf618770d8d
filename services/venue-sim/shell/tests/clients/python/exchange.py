"""A simulated exchange for one scenario: the real process, reached under the venue's own host names.

In a private network namespace the venue's names lead to loopback (`/etc/hosts`, mounted over for this process tree
only) and its port 443 is the simulator's TLS door, whose authority clients trust through the environment. So clients
run with their own defaults, unpatched. Nothing here can reach another machine: the namespace has only loopback.
"""

import ctypes
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

NAMES = ["api.kraken.com", "ws.kraken.com", "ws-auth.kraken.com", "ws-l3.kraken.com", "futures.kraken.com"]
ADMIN = "http://127.0.0.1:9083"
READY_S = 60
MS_BIND = 4096


def enter_namespace(folder):
    """Makes the fresh namespace of this process usable: loopback up, the venue's names on it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        siocgifflags, siocsifflags, up = 0x8913, 0x8914, 1
        wish = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, siocgifflags, wish))[1]
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sH14x", b"lo", flags | up))
    hosts = os.path.join(folder, "hosts")
    with open(hosts, "w") as file:
        file.write("127.0.0.1 localhost " + " ".join(NAMES) + "\n")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(hosts.encode(), b"/etc/hosts", None, MS_BIND, None) != 0:
        raise OSError(ctypes.get_errno(), "mount over /etc/hosts")


class Exchange:
    """One running simulator. `keys` maps names such as `maker-trading` to (key, secret)."""

    def __init__(self, program, folder, *, seed=7, tier=None, settings="", venue="kraken-spot"):
        authority = os.path.join(folder, "authority.pem")
        config = os.path.join(folder, "sim.toml")
        with open(config, "w") as file:
            file.write(settings)
        command = [program, "--venue", venue, "--seed", str(seed), "--config", config]
        command += ["--tls-listen", "127.0.0.1:443", "--tls-authority", authority]
        command += ["--tier", tier] if tier else []
        self.log = os.path.join(folder, "sim.log")
        self.process = subprocess.Popen(
            command, stdout=open(self.log, "w"), stderr=subprocess.STDOUT
        )
        # Said last, once every door is open.
        self._wait("secret" if venue == "kraken-spot" else "To read it:")
        trust(authority)
        said = self.said()
        rows = re.findall(r"^  (\S+) of account \S+\n    key     (\S+)\n    secret  (\S+)$", said, re.M)
        self.keys = {name: (key, secret) for name, key, secret in rows}

    def said(self):
        with open(self.log) as file:
            return file.read()

    def _wait(self, last):
        end = time.monotonic() + READY_S
        while last not in self.said().rsplit("taker-reading", 1)[-1]:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the simulator did not start:\n" + self.said())
            time.sleep(0.01)

    def ask(self, path, body=None):
        """Calls the operators' door."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(f"{ADMIN}/sim/{path}", data=data, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {body}: {error} {error.read()}") from None
        return json.loads(text) if text else None

    def pause(self):
        """Stops the crowd: from now on the book changes only by our own orders."""
        assert self.ask("flow", {"is_running": False})["flow"] == "paused"

    def resume(self):
        assert self.ask("flow", {"is_running": True})["flow"] == "generated"

    def fault(self, **wish):
        return self.ask("faults", wish)

    def stop(self):
        """Ends it and gives what it complained of; a simulator that dies or panics fails the scenario."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        said = self.said()
        assert code == 0, f"the simulator ended with {code}:\n{said}"
        assert "panicked" not in said and "ERROR" not in said, said


def trust(authority):
    """Makes every TLS library trust the simulator, by the variables that each of them reads."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"):
        os.environ[name] = authority


def private_folder():
    return tempfile.TemporaryDirectory(prefix="remora-clients-")
