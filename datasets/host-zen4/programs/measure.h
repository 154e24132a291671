/*
 * Measuring programs for the reference rows of measurements.csv: the same operations as the native
 * programs that made the rows, with fewer repetitions, so that a model can run them too. Each row
 * is one line on standard output: name, parameters, TSC cycles per operation, separated by tabs;
 * or "-" and a reason instead of the cycles where an operation did not work.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef uint64_t u64;
typedef uint32_t u32;

/* Performs the operation so many times. */
typedef void (*operation)(long iterations, void *argument);

static inline u64 tsc_begin(void) {
  u32 low, high;
  asm volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high)::"memory");
  return (u64)high << 32 | low;
}

static inline u64 tsc_end(void) {
  u32 low, high, aux;
  asm volatile("rdtscp\n\tlfence" : "=a"(low), "=d"(high), "=c"(aux)::"memory");
  return (u64)high << 32 | low;
}

/* One reproducible sequence per state. */
static inline u64 xorshift(u64 *state) {
  u64 x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

/* TSC cycles of a batch: 20 us unless a row asks for more. */
#define BATCH 52000.0
#define BATCHES 5

/* Whether the filter of the command line leaves the row out. */
int skipped(const char *name, const char *params);
/* Prints the median of samples (TSC cycles per operation). */
void emit(const char *name, const char *params, double *samples, int count);
void unsupported(const char *name, const char *params, const char *reason);
/* Finds how many iterations fill a batch and measures batches of them. */
void bench_batches(const char *name, const char *params, operation run, void *argument, int batches,
                   double cycles);
void bench(const char *name, const char *params, operation run, void *argument);
/* The same if `result` is no error; else says that the row is not supported and why (errno). */
void bench_if(long result, const char *name, const char *params, operation run, void *argument);
void pin(int cpu);
/* A private anonymous mapping aligned to 2 MiB, backed by huge pages or not. */
char *map_memory(size_t bytes, int huge);

#define RAW(number, a, b, c, d)                                                                   \
  ({                                                                                              \
    long result_;                                                                                 \
    register long fourth_ asm("r10") = (long)(d);                                                 \
    asm volatile("syscall"                                                                        \
                 : "=a"(result_)                                                                  \
                 : "a"(number), "D"((long)(a)), "S"((long)(b)), "d"((long)(c)), "r"(fourth_)      \
                 : "rcx", "r11", "memory");                                                       \
    result_;                                                                                      \
  })
#define OPERATION(name, statement)                                                                \
  static void name(long n, void *argument) {                                                      \
    (void)argument;                                                                               \
    for (long i = 0; i < n; i++) {                                                                \
      statement;                                                                                  \
    }                                                                                             \
  }

/* The sections, each with its own options after the filter. */
void core_section(void);
void branch_section(void);
void string_section(void);
void locks_section(void);
void chase_section(void);
void huge_chase_section(void);
void tlb_section(void);
void huge_tlb_section(void);
void huge_page_tlb_section(void);
void bandwidth_section(void);
void fault_section(void);
void mprotect_section(void);
void shootdown_section(void);
void calls_section(void);
void files_section(void);
void clocks_section(void);
void signals_section(void);
void timers_section(void);
void fork_section(void);
void threads_section(void);
void pingpong_section(void);
void cross_pingpong_section(void);
void line_section(void);
void contended_section(void);
void own_contended_section(void);

/* Largest working set of the memory sections, in MiB. */
extern long megabytes_max;
