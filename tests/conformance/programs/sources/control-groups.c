/* Control groups as a program makes them: weights, a quota with its throttling, moving, errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup/"

static void put(const char *file, const char *text) {
  int fd = open(file, O_WRONLY);
  ssize_t written = fd < 0 ? -1 : write(fd, text, strlen(text));
  printf("%s = %s: %s\n", file + strlen(ROOT), text, written < 0 ? strerror(errno) : "ok");
  close(fd);
}

static void show(const char *file) {
  char text[512];
  int fd = open(file, O_RDONLY);
  ssize_t bytes = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  text[bytes] = 0;
  printf("%s: %s", file, fd < 0 ? "absent\n" : text);
  close(fd);
}

static void report(const char *what, int result) {
  printf("%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
}

static double milliseconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void *spin(void *until) {
  while (milliseconds(CLOCK_MONOTONIC) < *(double *)until) {
    for (volatile int i = 0; i < 20000; i++) {
    }
  }
  return NULL;
}

static void hierarchy(void) {
  show(ROOT "cgroup.controllers");
  report("mkdir", mkdir(ROOT "plain", 0755));
  show(ROOT "plain/cpu.weight");
  put(ROOT "cgroup.subtree_control", "+memory");
  put(ROOT "cgroup.subtree_control", "+cpu");
  show(ROOT "plain/cpu.weight");
  put(ROOT "plain/cpu.weight", "0");
  put(ROOT "plain/cpu.weight", "250");
  show(ROOT "plain/cpu.weight");
  put(ROOT "plain/cpu.max", "500 100000");
  put(ROOT "plain/cgroup.procs", "99999");
  report("open", open(ROOT "plain/new", O_CREAT | O_WRONLY, 0644));
  report("rmdir", rmdir(ROOT "plain"));
}

/* Four threads on a quota of one CPU. */
static void quota(void) {
  pthread_t threads[4];
  report("mkdir", mkdir(ROOT "limited", 0755));
  put(ROOT "limited/cpu.max", "100000 100000");
  put(ROOT "limited/cgroup.procs", "0");
  show("/proc/self/cgroup");
  double begin = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
  double until = milliseconds(CLOCK_MONOTONIC) + 195;
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, spin, &until);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  double used = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
  printf("used about 200 ms: %d\n", used > 195 && used < 215);
  report("rmdir", rmdir(ROOT "limited"));
  show(ROOT "limited/cgroup.events");
  put(ROOT "cgroup.procs", "0");
  report("rmdir", rmdir(ROOT "limited"));
}

/* Two processes on one CPU, with weights of 300 and 100. */
static void weights(void) {
  const char *names[2] = {ROOT "heavy", ROOT "light"};
  const char *weight[2] = {"300", "100"};
  char path[64];
  double used[2], until = milliseconds(CLOCK_MONOTONIC) + 200;
  int ends[2], status;
  if (pipe(ends) != 0) exit(1);
  for (int i = 0; i < 2; i++) {
    mkdir(names[i], 0755);
    sprintf(path, "%s/cpu.weight", names[i]);
    put(path, weight[i]);
    if (fork() == 0) {
      sprintf(path, "%s/cgroup.procs", names[i]);
      put(path, "0");
      fflush(stdout);
      spin(&until);
      double mine[2] = {i, milliseconds(CLOCK_PROCESS_CPUTIME_ID)};
      _exit(write(ends[1], mine, sizeof mine) != sizeof mine);
    }
  }
  for (int i = 0; i < 2; i++) {
    double mine[2];
    if (read(ends[0], mine, sizeof mine) != sizeof mine) exit(1);
    used[(int)mine[0]] = mine[1];
    wait(&status);
  }
  double share = used[0] / (used[0] + used[1]);
  printf("three quarters: %d\n", share > 0.73 && share < 0.77);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1 && strcmp(argv[1], "quota") == 0) {
    put(ROOT "cgroup.subtree_control", "+cpu");
    quota();
  } else if (argc > 1 && strcmp(argv[1], "weights") == 0) {
    put(ROOT "cgroup.subtree_control", "+cpu");
    weights();
  } else {
    hierarchy();
  }
  return 0;
}
