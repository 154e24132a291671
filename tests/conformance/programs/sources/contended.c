/* Two threads write one variable for a few milliseconds without a lock, as a careless program does. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static volatile long shared;

static double milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void *spin(void *unused) {
  double until = milliseconds() + 4;
  do {
    for (int i = 0; i < 2000; i++) shared += i;
  } while (milliseconds() < until);
  return unused;
}

int main(void) {
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, spin, NULL);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  puts("done");
  return 0;
}
