"""An Apache Kafka broker for end-to-end tests (KRaft), with a directory of its own, on loopback, and a
client of it that is not ours."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import PATIENCE, free_port

JARS = os.environ.get("PENSTOCK_KAFKA", "")
BEFORE = os.environ.get("PENSTOCK_KAFKA_BEFORE", "")  # the jars of an older version
PYTHON = os.environ.get("PENSTOCK_E2E_PYTHON", "python3")
CLIENT = pathlib.Path(__file__).resolve().parent / "python/kafka_client.py"
MISSING = "Apache Kafka is not installed: tools/setup --test"


def installed():
    """Whether it is there; where it has to be (continuous integration) its absence is an error."""
    found = bool(JARS) and pathlib.Path(JARS).is_dir()
    if not found and (os.environ.get("CI") or os.environ.get("PENSTOCK_REQUIRE_SERVERS")):
        raise AssertionError(MISSING)
    return found


class Kafka:
    def __init__(self, shown_port=None, directory=None, jars=JARS, password=""):
        """`shown_port`: where clients are told to come, of something in between. `directory`: of its
        messages, on a disk of the caller's. `jars`: its version; it may be another one at its next start. With
        `password` it asks for it, of the user "penstock"."""
        self.jars = jars
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="penstock-kafka-"))
        self.log_dirs = directory or self.directory / "logs"
        self.port, controller, self.process = free_port(), free_port(), None
        self.address = f"127.0.0.1:{shown_port or self.port}"
        settings = {
            "process.roles": "broker,controller", "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER", "log.dirs": self.log_dirs,
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 2,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0, "num.network.threads": 2, "num.io.threads": 4,
            "auto.create.topics.enable": "false"}
        self.settings, self.password = settings, password
        self.know(password)
        self.java("kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw",
                  "-c", self.directory / "settings").wait(60 * PATIENCE)

    def know(self, password):
        """From its next start on that is the password it asks for."""
        if password:
            login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
            controller = self.settings["listeners"].rpartition(",")[2]
            self.settings |= {
                "listeners": f"SASL_PLAINTEXT://127.0.0.1:{self.port},{controller}",
                "advertised.listeners": f"SASL_PLAINTEXT://{self.address}",
                "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
                "inter.broker.listener.name": "SASL_PLAINTEXT", "sasl.enabled.mechanisms": "PLAIN",
                "sasl.mechanism.inter.broker.protocol": "PLAIN",
                "listener.name.sasl_plaintext.plain.sasl.jaas.config":
                    f'{login} username="broker" password="b" user_broker="b" user_penstock="{password}";'}
        (self.directory / "settings").write_text(
            "".join(f"{name}={value}\n" for name, value in self.settings.items()))

    def java(self, *words):
        log = open(self.directory / "log", "ab")
        return subprocess.Popen(
            ["java", "-Xms64m", "-Xmx320m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
             "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", self.jars + "/*", *map(str, words)],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def start(self):
        self.process = self.java("kafka.Kafka", self.directory / "settings")
        deadline = time.monotonic() + 90 * PATIENCE
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None, (self.directory / "log").read_text()[-500:]
                time.sleep(0.1)
        raise AssertionError("Kafka did not start: " + (self.directory / "log").read_text()[-500:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """In order, as an upgrade does it."""
        self.process.terminate()
        self.process.wait(90 * PATIENCE)

    def features(self, *words):
        """What `kafka-features` says."""
        done = subprocess.run(
            ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
             self.jars + "/*", "org.apache.kafka.tools.FeatureCommand", "--bootstrap-server", self.address, *words],
            capture_output=True, text=True, timeout=120 * PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def flags(self, *more):
        login = ("log.kafka_security=sasl_plaintext", "log.kafka_sasl_mechanism=PLAIN", "log.kafka_user=penstock",
                 f"log.kafka_password={self.password}") if self.password else ()
        return [word for pair in ("log.engine=kafka", f"log.kafka_brokers={self.address}",
                                  "log.partitions=3", *login, *more) for word in ("--set", pair)]

    def client(self, *words, text=None):
        done = subprocess.run([PYTHON, CLIENT, words[0], self.address, *words[1:]], input=text,
                              capture_output=True, text=True, timeout=120 * PATIENCE)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def messages(self, *topics):
        return [json.loads(line) for line in self.client("consume", *topics).splitlines()]

    def produce(self, messages):
        self.client("produce", text="".join(json.dumps(m) + "\n" for m in messages))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
