/* Clocks through the C library (which uses the vDSO) and by direct system call. */
#define _GNU_SOURCE
#include "tour.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { READS = 200 };

typedef int read_function(clockid_t id, struct timespec *time);

static int read_by_syscall(clockid_t id, struct timespec *time) {
  return (int)syscall(SYS_clock_gettime, id, time);
}

static int64_t nanoseconds(struct timespec time) {
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static const struct {
  clockid_t id;
  const char *name;
} clocks[] = {
    {CLOCK_REALTIME, "CLOCK_REALTIME"},
    {CLOCK_MONOTONIC, "CLOCK_MONOTONIC"},
    {CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID"},
    {CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID"},
    {CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW"},
    {CLOCK_REALTIME_COARSE, "CLOCK_REALTIME_COARSE"},
    {CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE"},
    {CLOCK_BOOTTIME, "CLOCK_BOOTTIME"},
};

static int never_goes_back(read_function *read, clockid_t id) {
  int64_t last = 0;
  for (int i = 0; i < READS; i++) {
    struct timespec time = {-1, -1};
    if (read(id, &time) != 0) return 0;
    if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= 1000000000) return 0;
    if (nanoseconds(time) < last) return 0;
    last = nanoseconds(time);
  }
  return 1;
}

static int all_clocks(read_function *read) {
  for (unsigned i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
    check(clocks[i].name, never_goes_back(read, clocks[i].id));
  }
  struct timespec time;
  check("an unknown clock is EINVAL", read(99, &time) == -1 && errno == EINVAL);
  return failures();
}

int stop_clock(int argc, char **argv) {
  (void)argc, (void)argv;
  struct timespec coarse, fine, resolution;
  struct timeval day;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse);
  clock_gettime(CLOCK_MONOTONIC, &fine);
  check("coarse is not ahead of fine", nanoseconds(coarse) <= nanoseconds(fine));
  clock_gettime(CLOCK_REALTIME, &fine);
  gettimeofday(&day, 0);
  check("gettimeofday follows CLOCK_REALTIME",
        (int64_t)day.tv_sec * 1000000 + day.tv_usec >= nanoseconds(fine) / 1000);
  check("time is not ahead of gettimeofday", time(0) <= day.tv_sec + 1);
  check("resolution of CLOCK_MONOTONIC is 1 ns",
        clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && nanoseconds(resolution) == 1);
  return all_clocks(clock_gettime);
}

int stop_clock_syscall(int argc, char **argv) {
  (void)argc, (void)argv;
  struct timespec library, direct, again;
  clock_gettime(CLOCK_MONOTONIC, &library);
  read_by_syscall(CLOCK_MONOTONIC, &direct);
  clock_gettime(CLOCK_MONOTONIC, &again);
  check("vDSO and system call read one clock", nanoseconds(library) <= nanoseconds(direct) &&
                                                    nanoseconds(direct) <= nanoseconds(again));
  return all_clocks(read_by_syscall);
}
