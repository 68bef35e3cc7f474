/* libchdb's functions on an engine that comes only as a Python package: its shared library shows Python's functions
   and hides C's. Python runs in here and after.py, beside this library, hands over what does the work. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of libpython, which has no header installed. */
void Py_InitializeEx(int signals);
void *PyEval_SaveThread(void);
int PyRun_SimpleString(const char *command);

struct answer {
  char *error, *body;
  size_t size;
  uint64_t rows, bytes;
};

struct insert {
  long number; /* after.py's */
  struct answer *failed;
};

static struct {
  long (*connect)(int count, char **arguments);
  void (*close)(long connection);
  void (*query)(long connection, const char *sql, size_t size, const char *format, size_t format_size, void *answer);
  long (*insert)(long connection, const char *sql, size_t size, const char *format, size_t format_size, void *answer);
  void (*append)(long insert, const char *rows, size_t size, void *answer);
  void (*done)(long insert, void *answer);
} python;

/* after.py calls the next two. */
void bridge_functions(void **functions) { memcpy(&python, functions, sizeof python); }

void bridge_answer(struct answer *a, const char *error, const char *body, size_t size, uint64_t rows, uint64_t bytes) {
  if (*error) a->error = strdup(error);
  a->body = malloc(size + 1);
  memcpy(a->body, body, size);
  a->size = size;
  a->rows = rows;
  a->bytes = bytes;
}

/* Called once, before anything else. */
void chdb_set_signal_handlers_enabled(int enabled) {
  Dl_info self;
  char *command;
  if (enabled || !dladdr((void *)chdb_set_signal_handlers_enabled, &self)) return;
  if (asprintf(&command, "library = '%s'\nexec(open(library + '.py').read())",
               realpath(self.dli_fname, NULL)) < 0)
    return;
  /* What Python's own modules need of it they look for among what everybody may see. */
  if (!dlopen(PYTHON, RTLD_NOW | RTLD_GLOBAL)) fprintf(stderr, "%s\n", dlerror());
  setenv("PYTHONHOME", "/usr", 1); /* whatever other Python is first in PATH */
  setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
  Py_InitializeEx(0);
  if (PyRun_SimpleString(command) != 0) fprintf(stderr, "after.py did not run\n");
  free(command);
  PyEval_SaveThread(); /* whoever calls Python takes its lock, and gives it back */
}

void **chdb_connect(int count, char **arguments) {
  const long number = python.connect ? python.connect(count, arguments) : 0;
  if (number == 0) return NULL;
  void **out = malloc(sizeof *out);
  *out = (void *)number;
  return out;
}

void chdb_close_conn(void **connection) {
  python.close((long)*connection);
  free(connection);
}

void *chdb_query_n(void *connection, const char *sql, size_t size, const char *format, size_t format_size) {
  struct answer *out = calloc(1, sizeof *out);
  python.query((long)connection, sql, size, format, format_size, out);
  return out;
}

void chdb_destroy_query_result(void *answer) {
  struct answer *a = answer;
  free(a->error);
  free(a->body);
  free(a);
}

char *chdb_result_buffer(void *answer) { return ((struct answer *)answer)->body; }
size_t chdb_result_length(void *answer) { return ((struct answer *)answer)->size; }
const char *chdb_result_error(void *answer) { return ((struct answer *)answer)->error; }
uint64_t chdb_result_rows_read(void *answer) { return ((struct answer *)answer)->rows; }
uint64_t chdb_result_bytes_read(void *answer) { return ((struct answer *)answer)->bytes; }

void *chdb_stream_insert_n(void *connection, const char *sql, size_t size, const char *format, size_t format_size) {
  struct insert *out = calloc(1, sizeof *out);
  out->failed = calloc(1, sizeof *out->failed);
  out->number = python.insert((long)connection, sql, size, format, format_size, out->failed);
  return out;
}

const char *chdb_stream_insert_error(void *insert) { return ((struct insert *)insert)->failed->error; }

int chdb_stream_append(void *insert, const char *rows, size_t size) {
  struct insert *in = insert;
  python.append(in->number, rows, size, in->failed);
  return in->failed->error != NULL;
}

void *chdb_stream_done(void *insert) {
  struct answer *out = calloc(1, sizeof *out);
  python.done(((struct insert *)insert)->number, out);
  return out;
}

void chdb_destroy_insert_stream(void *insert) {
  struct insert *in = insert;
  chdb_destroy_query_result(in->failed);
  free(in);
}
