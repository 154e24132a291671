/*
 * How much of a random pattern of branches the predictor learns: the loop of branch_pattern over a
 * pattern of each length, repeated 200 times (3 times from 4M on). Prints, per iteration, the TSC
 * cycles of the fastest repetition, and those of ten dependent additions, which are ten core cycles.
 */
#include "measure.h"

#define NOISE_BYTES (1l << 24)
static unsigned char *noise;

static double pattern(long iterations, long period) {
  u64 sum = 0, begin = tsc_begin();
  for (long i = 0; i < iterations; i++) {
    unsigned char c = noise[i & (period - 1)];
    asm volatile("test $1,%b1\n jz 1f\n add $3,%0\n imul $5,%0,%0\n1:" : "+r"(sum) : "q"(c));
  }
  asm volatile("" ::"r"(sum));
  return (double)(tsc_end() - begin) / iterations;
}

static double ten_additions(void) {
  u64 x = 1, begin = tsc_begin();
  for (long i = 0; i < 100000; i++)
    asm volatile(
        "add %0,%0\n add %0,%0\n add %0,%0\n add %0,%0\n add %0,%0\n add %0,%0\n add %0,%0\n "
        "add %0,%0\n add %0,%0\n add %0,%0\n"
        : "+r"(x));
  return (tsc_end() - begin) / 1e5;
}

int main(void) {
  u64 seed = 88172645463325252ull;
  noise = malloc(NOISE_BYTES);
  for (long i = 0; i < NOISE_BYTES; i++) noise[i] = xorshift(&seed) >> 33;
  double unit = 1e9;
  for (int i = 0; i < 50; i++) {
    double taken = ten_additions();
    if (taken < unit) unit = taken;
  }
  printf("pattern,iterations,repetitions,tsc_cycles_best,tsc_cycles_ten_additions\n");
  for (long period = 16; period <= NOISE_BYTES; period *= 4) {
    long iterations = period < 65536 ? 65536 : period;
    int repetitions = period >= 1 << 22 ? 3 : 200;
    double best = 1e9;
    for (int i = 0; i < repetitions; i++) {
      double taken = pattern(iterations, period);
      if (taken < best) best = taken;
    }
    printf("%ld,%ld,%d,%.2f,%.2f\n", period, iterations, repetitions, best, unit);
  }
}
