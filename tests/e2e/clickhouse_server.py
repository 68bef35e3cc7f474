"""A real ClickHouse server, and a cluster of them with ZooKeeper, for end-to-end tests. It is the 18.16.1 of
Debian 12, and knows what is structural in Penstock's statements: clusters, macros, replicated and distributed
tables, the Kafka engine, materialized views. What it does not know of today's dialect is taken away by
TRANSLATIONS, and by nothing else."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import brokers
from harness import BIN, PATIENCE, free_port

SERVER = os.environ.get("PENSTOCK_CLICKHOUSE_SERVER", "")
MISSING = "ClickHouse 18.16 or ZooKeeper is not installed: tools/setup --test"
PASSWORD = "a-secret-of-the-tests"
CLUSTER = "main"


def installed():
    """Whether it is there, and ZooKeeper (the jars of the older Kafka bring it); where it has to be its absence is an
    error."""
    found = os.access(SERVER, os.X_OK) and bool(brokers.BEFORE) and any(
        pathlib.Path(brokers.BEFORE).glob("zookeeper-3*.jar"))
    if not found and (os.environ.get("CI") or os.environ.get("PENSTOCK_REQUIRE_SERVERS")):
        raise AssertionError(MISSING)
    return found


def until(check, seconds, say):
    deadline = time.monotonic() + seconds * PATIENCE
    while not check():
        assert time.monotonic() < deadline, say()
        time.sleep(0.1)


def serves(port):
    """Whether ZooKeeper takes sessions: a listening port is not enough."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.sendall(b"srvr")
            return b"Mode: standalone" in s.makefile("rb").read()
    except OSError:
        return False


class ZooKeeper:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="penstock-zookeeper-"))
        self.port, self.process = free_port(), None
        (self.directory / "settings").write_text(
            f"dataDir={self.directory}/data\nclientPort={self.port}\nclientPortAddress=127.0.0.1\n"
            "tickTime=2000\nadmin.enableServer=false\nmaxClientCnxns=0\n")

    def __enter__(self):
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            ["java", "-Xms32m", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
             "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", brokers.BEFORE + "/*",
             "org.apache.zookeeper.server.quorum.QuorumPeerMain", self.directory / "settings"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            until(lambda: self.process.poll() is not None or serves(self.port), 60,
                  lambda: "ZooKeeper did not start: " + self.said())
            assert self.process.poll() is None, self.said()
        except AssertionError:
            self.__exit__()
            raise
        return self

    def said(self):
        return (self.directory / "log").read_text(errors="replace")[-1000:]

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


CONFIG = """<yandex>
<logger><level>{level}</level><log>{dir}/log</log><errorlog>{dir}/errors</errorlog></logger>
<listen_host>127.0.0.1</listen_host><http_port>{http}</http_port><tcp_port>{tcp}</tcp_port>
<interserver_http_port>{interserver}</interserver_http_port>
<interserver_http_host>127.0.0.1</interserver_http_host>
<path>{dir}/data/</path><tmp_path>{dir}/tmp/</tmp_path>
<users_config>users.xml</users_config>
<default_profile>default</default_profile>
<default_database>default</default_database>
<kafka><auto_offset_reset>earliest</auto_offset_reset>
<heartbeat_interval_ms>300</heartbeat_interval_ms><session_timeout_ms>6000</session_timeout_ms></kafka>
<timezone>UTC</timezone><mark_cache_size>67108864</mark_cache_size>
<uncompressed_cache_size>8388608</uncompressed_cache_size>
<max_concurrent_queries>100</max_concurrent_queries>
{cluster}</yandex>
"""
USERS = """<yandex>
<profiles><default><max_memory_usage>500000000</max_memory_usage><background_pool_size>4</background_pool_size>
<max_threads>2</max_threads><max_block_size>256</max_block_size>
<stream_flush_interval_ms>500</stream_flush_interval_ms>
<allow_experimental_low_cardinality_type>1</allow_experimental_low_cardinality_type>
</default></profiles>
<users><default><password>{password}</password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users><quotas><default></default></quotas></yandex>
"""
KEEPER = """<zookeeper><node><host>127.0.0.1</host><port>{keeper}</port></node>
<session_timeout_ms>6000</session_timeout_ms></zookeeper>
<distributed_ddl><path>/clickhouse/task_queue/ddl</path></distributed_ddl>
<macros><shard>{shard}</shard><replica>{replica}</replica></macros>
<remote_servers><{name}>{shards}</{name}></remote_servers>
"""


class Server:
    """One process. It is what a machine's system would start, without a system: its own files, 127.0.0.1 alone."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="penstock-clickhouse-18-"))
        self.http, self.tcp, self.interserver = free_port(), free_port(), free_port()
        self.url, self.process, self.cluster = f"http://127.0.0.1:{self.http}", None, ""
        (self.directory / "users.xml").write_text(USERS.format(password=PASSWORD))

    def launch(self):
        (self.directory / "config.xml").write_text(CONFIG.format(
            level="trace", dir=self.directory, http=self.http, tcp=self.tcp,
            interserver=self.interserver, cluster=self.cluster))
        out = open(self.directory / "output", "ab")
        self.process = subprocess.Popen([SERVER, f"--config-file={self.directory}/config.xml"], stdout=out, stderr=out,
                                        stdin=subprocess.DEVNULL, cwd=self.directory)
        return self

    def wait(self):
        until(lambda: self.process.poll() is not None or self.answers(), 60, self.said)
        assert self.process.poll() is None, self.said()
        return self

    def answers(self):
        try:
            return self.sql("SELECT 1") == "1\n"
        except OSError:
            return False

    def said(self):
        """What it complained of last."""
        return "\n".join((self.directory / name).read_text(errors="replace")[-1500:]
                         for name in ("output", "errors") if (self.directory / name).exists())

    def post(self, query, body=b"", **settings):
        words = urllib.parse.urlencode({**({"query": query} if body else {}), **settings})
        request = urllib.request.Request(f"{self.url}/?{words}", data=body or query.encode(), headers={
            "X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD})
        try:
            with urllib.request.urlopen(request, timeout=60 * PATIENCE) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.code}: {error.read().decode()[:1000]}\n{query}") from error

    def sql(self, query, **settings):
        return self.post(query, **settings)

    def rows(self, query):
        return [line.split("\t") for line in self.sql(query).splitlines()]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self.launch().wait()

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cluster:
    """Named "main", with macros, as its `remote_servers` and docs/SCALE_OUT.md say."""

    def __init__(self, keeper, shards=2, replicas=2):
        self.shards = [[Server() for _ in range(replicas)] for _ in range(shards)]
        self.nodes = [node for shard in self.shards for node in shard]
        told = "".join(
            "<shard><internal_replication>true</internal_replication>" + "".join(
                f"<replica><host>127.0.0.1</host><port>{node.tcp}</port><user>default</user>"
                f"<password>{PASSWORD}</password></replica>" for node in shard) + "</shard>" for shard in self.shards)
        for s, shard in enumerate(self.shards):
            for r, node in enumerate(shard):
                node.cluster = KEEPER.format(keeper=keeper.port, shard=s + 1, replica=r + 1, name=CLUSTER, shards=told)

    def __enter__(self):
        try:
            for node in self.nodes:
                node.launch()
            for node in self.nodes:
                node.wait()
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.__exit__()


# What Penstock's statements say and this server does not know: (pattern, in its place, why).
TRANSLATIONS = (
    (r" CODEC\(ZSTD\(3\)\)", "", "how a column is compressed"),
    (r"toYYYYMM\(least\(greatest\((\w+), toDateTime64\('(\S+) 00:00:00', 6, 'UTC'\)\),\s*"
     r"toDateTime64\('(\S+) 00:00:00', 6, 'UTC'\)\)\)",
     r"toYYYYMM(least(greatest(toDate(substring(\1, 1, 10)), toDate('\2')), toDate('\3')))",
     "the month of a time within bounds"),
    (r"DateTime64\(\d(,'UTC')?\)", "String", "times finer than seconds: as the text they come as"),
    (r"ORDER BY (.*)toDate\(timestamp\)", r"ORDER BY \1substring(timestamp, 1, 10)", "a day in a key"),
    (r"ORDER BY (.*)toHour\(timestamp\)", r"ORDER BY \1substring(timestamp, 12, 2)", "an hour in a key"),
    (r"DEFAULT now64\(\)", "DEFAULT toString(now())", "when a row came, finer than seconds"),
    (r"\bBool\b", "UInt8", "the type Bool"),
    (r"(?:\nSETTINGS |, )fsync_after_insert = 1, fsync_part_directory = 1", "", "when the disk has it for sure"),
    (r"\s+TTL [^;\n]*", "", "how long rows are kept"),
    (r"JSONExtractRaw\(", "visitParamExtractRaw(", "a member of JSON"),
    (r"  `\$session_id_uuid` Nullable\(UInt128\) ALIAS [^\n]*\n", "", "128-bit numbers"),
    (r"\nSETTINGS kafka_skip_broken_messages = 100", "", "broken messages of a topic"),
    (r"(?<=,\n  )_timestamp, _offset, _partition(?=\nFROM \S*kafka_)",
     "now() AS _timestamp, toUInt64(0) AS _offset, toUInt64(0) AS _partition",
     "the Kafka engine's columns about a message, with its partition"),
    (r"(?<=,\n  )_timestamp, _offset(?=\nFROM \S*kafka_)", "now() AS _timestamp, toUInt64(0) AS _offset",
     "the Kafka engine's columns about a message"),
    (r"(?<=AS _offset)(?=\nFROM \S*kafka_events_json)",
     ", CAST(toString(now()) AS Nullable(String)) AS inserted_at, "
     "emptyArrayString() AS consumer_breadcrumbs, toUInt8(0) AS is_deleted",
     "defaults of what a view on its way to events does not select"),
    (r"(?<=AS _offset)(?=\nFROM \S*kafka_groups)", ", toUInt8(0) AS is_deleted",
     "defaults of what a view on its way to groups does not select"),
    (r"cityHash64\(uuid\)", "cityHash64(toString(uuid))", "the hash of a UUID"),
    (r"ON s.team_id = o.team_id AND s.distinct_id = o.distinct_id", "USING team_id, distinct_id",
     "ON in a distributed join"),
)

# The same of what only a server without a cluster has; before the others.
ALONE = (
    (r"non_replicated_deduplication_window = 10000, (?=fsync)", "", "repeated blocks of one server"),
    (r"  distinct_id_hash UInt64 MATERIALIZED sipHash64\(distinct_id\),\n", "", "a column worked out, behind a view"),
)


def ddl(brokers_at, cluster=""):
    """What `penstock store ddl` prints, statement by statement, in this server's dialect. A translation that has
    nothing left to do is an error: this list says what was not run as it is."""
    said = subprocess.run(
        [BIN, "store", "ddl", "--data", "/tmp/penstock-never", "--database", "penstock", "--kafka", brokers_at,
         *(("--cluster", cluster) if cluster else ())],
        capture_output=True, text=True, check=True, timeout=30 * PATIENCE).stdout
    for pattern, instead, why in TRANSLATIONS if cluster else (*ALONE, *TRANSLATIONS):
        said, n = re.subn(pattern, instead, said)
        assert n, f"nothing left to translate: {why}"
    return [statement.strip() for statement in said.split(";\n") if statement.strip()]
