"""Runs inside the engine child, started by after.c, which says where it is: `library`."""
import ctypes
import itertools
import os
import sys

# As the package itself does it: the engine's own allocator, whatever this process has.
here = os.path.dirname(os.path.abspath(library))  # noqa: F821
ctypes.CDLL(os.path.join(here, "chdb/_chdb.abi3.so"), mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
sys.path.insert(0, os.path.join(here, "chdb"))
import _chdb  # noqa: E402

bridge = ctypes.CDLL(library)  # noqa: F821
bridge.bridge_answer.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64,
                                 ctypes.c_uint64]
numbers = itertools.count(1)
things = {}  # connections and inserts under way, by their numbers


def kept(thing):
    number = next(numbers)
    things[number] = thing
    return number


def told(answer, error=b"", body=b"", rows=0, read=0):
    bridge.bridge_answer(answer, error, body, len(body), rows, read)


def failures_told(function):
    def call(*arguments):
        try:
            return function(*arguments) or 0
        except BaseException as error:
            text = str(error).encode("utf-8", "replace").replace(b"\0", b"?") or b"it failed"
            told(arguments[-1], text)
            return 0
    return call


def connect(count, arguments):
    words = [arguments[i].decode() for i in range(1, count)]
    path = next(w[len("--path="):] for w in words if w.startswith("--path="))
    try:
        return kept(_chdb.connect(path + "?" + "&".join(w[2:] for w in words if not w.startswith("--path="))))
    except BaseException as error:
        print("no connection:", error, file=sys.stderr, flush=True)
        return 0


def close(number):
    things.pop(number).close()


@failures_told
def query(number, sql, size, form, form_size, answer):
    done = things[number].query(ctypes.string_at(sql, size), ctypes.string_at(form, form_size).decode())
    told(answer, b"", done.bytes() or b"", done.rows_read(), done.bytes_read())


@failures_told
def insert(number, sql, size, form, form_size, answer):
    connection = things[number]
    return kept((connection, connection.send_insert(ctypes.string_at(sql, size),
                                                    ctypes.string_at(form, form_size).decode())))


@failures_told
def append(number, rows, size, answer):
    connection, under_way = things[number]
    connection.insert_append(under_way, ctypes.string_at(rows, size))


@failures_told
def done(number, answer):
    connection, under_way = things.pop(number)
    connection.insert_done(under_way)
    told(answer)


POINTER, SIZE, LONG = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long
SQL = (LONG, POINTER, SIZE, POINTER, SIZE, POINTER)
# Kept, for they are called as long as the process lives.
functions = [
    ctypes.CFUNCTYPE(LONG, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p))(connect),
    ctypes.CFUNCTYPE(None, LONG)(close),
    ctypes.CFUNCTYPE(None, *SQL)(query),
    ctypes.CFUNCTYPE(LONG, *SQL)(insert),
    ctypes.CFUNCTYPE(None, LONG, POINTER, SIZE, POINTER)(append),
    ctypes.CFUNCTYPE(None, LONG, POINTER)(done),
]
bridge.bridge_functions((ctypes.c_void_p * len(functions))(*(ctypes.cast(f, ctypes.c_void_p) for f in functions)))
