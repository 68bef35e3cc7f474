/* The five functions of libchdb that 26.5 does not have yet: rows of an INSERT, piece by piece. Here they are
   written to a file beside the engine's data and read by INSERT … FROM INFILE. All the other functions are
   26.5's own: this library needs libchdb-before.so, and whoever looks for them here finds them there. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *chdb_query_n(void *connection, const char *sql, size_t size, const char *format, size_t format_size);

struct insert {
  void *connection;
  char *sql;
  char file[64];
  FILE *rows;
  const char *error;
};

/* The engine works in its directory. */
void *chdb_stream_insert_n(void *connection, const char *sql, size_t size, const char *format, size_t format_size) {
  static unsigned long last;
  struct insert *in = calloc(1, sizeof *in);
  in->connection = connection;
  snprintf(in->file, sizeof in->file, "insert-%lu.rows", __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED));
  /* INSERT INTO t (…) FROM INFILE '…' SETTINGS … FORMAT … */
  const char *settings = memmem(sql, size, " SETTINGS ", 10);
  const int head = (int)(settings ? settings - sql : (long)size), tail = (int)((long)size - head);
  char *directory = getcwd(NULL, 0);
  if (asprintf(&in->sql, "%.*s FROM INFILE '%s/%s' COMPRESSION 'none'%.*s FORMAT %.*s", head, sql, directory, in->file,
               tail, sql + head, (int)format_size, format) < 0)
    abort();
  free(directory);
  in->rows = fopen(in->file, "wb");
  if (!in->rows) in->error = "cannot write a file for an insert (NOT_ENOUGH_SPACE)";
  return in;
}

const char *chdb_stream_insert_error(void *insert) { return ((struct insert *)insert)->error; }

int chdb_stream_append(void *insert, const char *rows, size_t size) {
  struct insert *in = insert;
  if (fwrite(rows, 1, size, in->rows) == size) return 0;
  in->error = "cannot write a file for an insert (NOT_ENOUGH_SPACE)";
  return 1;
}

void *chdb_stream_done(void *insert) {
  struct insert *in = insert;
  const int whole = fclose(in->rows) == 0;
  in->rows = NULL;
  return whole ? chdb_query_n(in->connection, in->sql, strlen(in->sql), "Null", 4) : NULL;
}

void chdb_destroy_insert_stream(void *insert) {
  struct insert *in = insert;
  if (in->rows) fclose(in->rows);
  unlink(in->file);
  free(in->sql);
  free(in);
}
