"""A way to a server that takes time: whatever the server answers arrives later, and in order. Nothing
is slowed down otherwise, as many bytes a second go through as without it. And one that does worse, while
`mode` says so:

  pass     the server's answers
  garbage  as many bytes as the server answered, none of them what it said
  cut      no connection stays
  hang     whatever the server answers does not arrive
"""
import asyncio
import random
import threading


class SlowLink:
    """Listens on `port` of loopback and passes on to `target`; `delay_s` and `mode` may be changed while
    it runs."""

    def __init__(self, port, target, delay_s=0.0):
        self.port, self.target, self.delay_s = port, target, delay_s
        self.mode, self.random = "pass", random.Random(port)
        self.hurt = 0  # answers that did not arrive as they were
        self.open = set()
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.connected, "127.0.0.1", self.port))
        started.set()
        self.loop.run_forever()

    async def connected(self, reader, writer):
        if self.mode == "cut":
            self.hurt += 1
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        pair = (writer, back)
        self.open.add(pair)
        await asyncio.gather(self.at_once(reader, back), self.later(there, writer))
        self.open.discard(pair)

    async def at_once(self, reader, writer):
        try:
            while data := await reader.read(1 << 18):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    async def later(self, reader, writer):
        waiting = asyncio.Queue(10_000)

        async def deliver():
            while item := await waiting.get():
                due, data = item
                await asyncio.sleep(max(0.0, due - self.loop.time()))
                writer.write(data)
        delivering = asyncio.create_task(deliver())
        try:
            while data := await reader.read(1 << 18):
                if self.mode != "pass":
                    self.hurt += 1
                if self.mode == "hang":
                    continue
                if self.mode == "cut":
                    break
                if self.mode == "garbage":
                    data = self.random.randbytes(len(data))
                await waiting.put((self.loop.time() + self.delay_s, data))
        except OSError:
            pass
        await waiting.put(None)
        await delivering
        writer.close()

    def reset(self):
        """Ends all connections there are."""
        def abort():
            for pair in list(self.open):
                for writer in pair:
                    writer.transport.abort()
        self.loop.call_soon_threadsafe(abort)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
