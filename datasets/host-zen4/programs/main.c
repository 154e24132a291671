/* measure SECTION [FILTER] [MiB]: measures the rows of one section whose name contains FILTER. */
#include "measure.h"

long megabytes_max = 1024;
static const char *filter = "";

int skipped(const char *name, const char *params) {
  char row[256];
  snprintf(row, sizeof row, "%s %s", name, params);
  return strstr(row, filter) == NULL;
}

static void put(const char *line) {
  if (write(1, line, strlen(line)) < 0) _exit(3);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void emit(const char *name, const char *params, double *samples, int count) {
  char line[320];
  qsort(samples, count, sizeof *samples, ascending);
  snprintf(line, sizeof line, "%s\t%s\t%.2f\n", name, params, samples[count / 2]);
  put(line);
}

void unsupported(const char *name, const char *params, const char *reason) {
  char line[320];
  snprintf(line, sizeof line, "%s\t%s\t-\t%s\n", name, params, reason);
  put(line);
}

void bench_batches(const char *name, const char *params, operation run, void *argument, int batches,
                   double cycles) {
  if (skipped(name, params)) return;
  double samples[64];
  long iterations = 1;
  run(1, argument);
  for (;;) {
    u64 begin = tsc_begin();
    run(iterations, argument);
    double taken = tsc_end() - begin;
    if (taken > cycles * 0.5 || iterations > (1l << 24)) {
      iterations = (long)(iterations * cycles / taken);
      if (iterations < 1) iterations = 1;
      break;
    }
    iterations *= 2;
  }
  for (int batch = 0; batch < batches; batch++) {
    u64 begin = tsc_begin();
    run(iterations, argument);
    samples[batch] = (double)(tsc_end() - begin) / iterations;
  }
  emit(name, params, samples, batches);
}

void bench(const char *name, const char *params, operation run, void *argument) {
  bench_batches(name, params, run, argument, BATCHES, BATCH);
}

void bench_if(long result, const char *name, const char *params, operation run, void *argument) {
  if (skipped(name, params)) return;
  if (result >= -4095 && result < 0) {
    /* libc wrappers return -1 and set errno; raw calls return the number. */
    unsupported(name, params, strerror(result == -1 && errno != 0 ? errno : (int)-result));
    return;
  }
  bench(name, params, run, argument);
}

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

char *map_memory(size_t bytes, int huge) {
  size_t align = 2 << 20;
  char *all = mmap(0, bytes + align, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return NULL;
  char *begin = (char *)(((u64)all + align - 1) & ~(align - 1));
  char *end = begin + bytes, *all_end = all + bytes + align;
  if (begin > all) munmap(all, begin - all);
  if (all_end > end) munmap(end, all_end - end);
  madvise(begin, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return begin;
}

static const struct {
  const char *name;
  void (*measure)(void);
} sections[] = {
    {"core", core_section},
    {"branch", branch_section},
    {"string", string_section},
    {"locks", locks_section},
    {"chase", chase_section},
    {"huge-chase", huge_chase_section},
    {"tlb", tlb_section},
    {"huge-tlb", huge_tlb_section},
    {"huge-page-tlb", huge_page_tlb_section},
    {"bandwidth", bandwidth_section},
    {"fault", fault_section},
    {"mprotect", mprotect_section},
    {"shootdown", shootdown_section},
    {"calls", calls_section},
    {"files", files_section},
    {"clocks", clocks_section},
    {"signals", signals_section},
    {"timers", timers_section},
    {"fork", fork_section},
    {"threads", threads_section},
    {"pingpong", pingpong_section},
    {"cross-pingpong", cross_pingpong_section},
    {"line", line_section},
    {"contended", contended_section},
    {"own-contended", own_contended_section},
};

int main(int argc, char **argv) {
  const char *wanted = argc > 1 ? argv[1] : "";
  if (argc > 2) filter = argv[2];
  if (argc > 3) megabytes_max = atol(argv[3]);
  pin(0);
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
    if (strcmp(sections[i].name, wanted) != 0) continue;
    sections[i].measure();
    return 0;
  }
  for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
    put(sections[i].name);
    put("\n");
  }
  return 2;
}
