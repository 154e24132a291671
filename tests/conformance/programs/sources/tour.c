/* One program with many stops, chosen by the first argument, so that one binary carries them all. */
#include "tour.h"

#include <stdio.h>
#include <string.h>

static int failed;

void check(const char *name, int holds) {
  printf("%s %s\n", holds ? "ok" : "FAILED", name);
  failed += !holds;
}

int failures(void) { return failed != 0; }

static const struct {
  const char *name;
  stop_function *run;
} stops[] = {
    {"args", stop_args},
    {"auxv", stop_auxv},
    {"stack", stop_stack},
    {"random", stop_random},
    {"clock", stop_clock},
    {"clock-syscall", stop_clock_syscall},
    {"break", stop_break},
    {"map", stop_map},
    {"protect", stop_protect},
    {"malloc", stop_malloc},
    {"sort", stop_sort},
    {"strings", stop_strings},
    {"doubles", stop_doubles},
    {"long-double", stop_long_double},
    {"wide", stop_wide},
    {"hash", stop_hash},
    {"streams", stop_streams},
    {"errors", stop_errors},
    {"exit", stop_exit},
    {"exit-now", stop_exit_now},
    {"large-output", stop_large_output},
    {"null-read", stop_null_read},
    {"null-write", stop_null_write},
    {"null-call", stop_null_call},
    {"write-text", stop_write_text},
    {"jump-data", stop_jump_data},
    {"jump-stack", stop_jump_stack},
    {"non-canonical", stop_non_canonical},
    {"kernel-address", stop_kernel_address},
    {"read-protected", stop_read_protected},
    {"misaligned-sse", stop_misaligned_sse},
    {"undefined", stop_undefined},
    {"breakpoint", stop_breakpoint},
    {"divide-zero", stop_divide_zero},
    {"divide-overflow", stop_divide_overflow},
    {"privileged", stop_privileged},
    {"stack-overflow", stop_stack_overflow},
};

int main(int argc, char **argv) {
  for (unsigned i = 0; argc > 1 && i < sizeof stops / sizeof stops[0]; i++) {
    if (strcmp(argv[1], stops[i].name) == 0) return stops[i].run(argc - 2, argv + 2);
  }
  fprintf(stderr, "usage: tour STOP [argument...]\n");
  return 2;
}
