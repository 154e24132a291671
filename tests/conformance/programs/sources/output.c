/* Streams, errno and the ways to leave. */
#define _GNU_SOURCE
#include "tour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int stop_streams(int argc, char **argv) {
  (void)argc, (void)argv;
  printf("buffered until exit\n");
  fprintf(stderr, "unbuffered on %s\n", "stderr");
  ssize_t written = write(1, "written first\n", 14);
  fprintf(stderr, "write returned %zd\n", written);
  fputs("flushed second\n", stdout);
  fflush(stdout);
  struct iovec parts[] = {{"gathered ", 9}, {"", 0}, {"third\n", 6}};
  written = writev(1, parts, 3);
  fprintf(stderr, "writev returned %zd\n", written);
  return 0;
}

static void report(const char *what, long result) {
  printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

int stop_errors(int argc, char **argv) {
  (void)argc, (void)argv;
  report("write to a closed descriptor", write(77, "x", 1));
  report("write to descriptor -1", write(-1, "x", 1));
  report("write from an unmapped address", write(1, (void *)8, 4));
  report("write of nothing", write(1, "", 0));
  report("close of a closed descriptor", close(77));
  report("an unknown system call", syscall(100000));
  report("close of standard input", close(0));
  report("and again", close(0));
  return 0;
}

static void at_exit_first(void) { printf("registered first, runs last\n"); }
static void at_exit_second(void) { printf("registered second, runs first\n"); }

static int constructor_runs;

__attribute__((constructor)) static void constructed(void) { constructor_runs++; }

int stop_exit(int argc, char **argv) {
  atexit(at_exit_first);
  atexit(at_exit_second);
  printf("constructor runs: %d\n", constructor_runs);
  exit(argc > 0 ? atoi(argv[0]) : 0);
}

int stop_exit_now(int argc, char **argv) {
  printf("never flushed\n");
  _exit(argc > 0 ? atoi(argv[0]) : 0);
}

/* More than a pipe's 64 KiB, in lines of changing length. */
int stop_large_output(int argc, char **argv) {
  (void)argc, (void)argv;
  static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (int i = 0; i < 3000; i++) printf("%d %.*s\n", i, i % 61, alphabet);
  return 0;
}
