/* Timers of every kind. What is printed does not depend on how fast anything runs. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile int count, last_code, last_value;

static void handler(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  count++;
  last_code = info->si_code;
  last_value = info->si_value.sival_int;
}

static void handle(int signal) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(signal, &action, NULL);
}

static double now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static int settime(int fd, int flags, long first_ms, long interval_ms) {
  struct itimerspec setting = {{0, interval_ms * 1000000}, {0, first_ms * 1000000}};
  return timerfd_settime(fd, flags, &setting, NULL);
}

static void descriptor(void) {
  uint64_t expirations = 0;
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct pollfd poller = {fd, POLLIN, 0};
  printf("unarmed: %d %s\n", (int)read(fd, &expirations, 8), strerror(errno));
  settime(fd, 0, 3, 0);
  double begin = now(CLOCK_MONOTONIC);
  printf("poll %d, events %d\n", poll(&poller, 1, 1000), poller.revents);
  printf("waited %d\n", now(CLOCK_MONOTONIC) - begin > 2.5);
  printf("read %d, %d\n", (int)read(fd, &expirations, 8), (int)expirations);
  printf("again %d %s\n", (int)read(fd, &expirations, 8), strerror(errno));
  settime(fd, 0, 2, 2);
  usleep(9000);
  printf("read %d, some %d\n", (int)read(fd, &expirations, 8), expirations >= 4);
  struct itimerspec left;
  timerfd_gettime(fd, &left);
  printf("interval %ld, left %d\n", left.it_interval.tv_nsec, left.it_value.tv_nsec > 0);
  printf("short %d %s\n", (int)read(fd, &expirations, 4), strerror(errno));
  close(fd);
}

static void blocking(void) {
  uint64_t expirations = 0;
  int fd = timerfd_create(CLOCK_REALTIME, 0);
  struct itimerspec setting = {{0, 0}, {0, 0}};
  clock_gettime(CLOCK_REALTIME, &setting.it_value);
  setting.it_value.tv_nsec += 2000000;
  if (setting.it_value.tv_nsec >= 1000000000) {
    setting.it_value.tv_nsec -= 1000000000;
    setting.it_value.tv_sec++;
  }
  timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, NULL);
  printf("read %d, %d\n", (int)read(fd, &expirations, 8), (int)expirations);
  setting.it_value.tv_sec = 1;
  timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, NULL);
  printf("in the past: read %d, %d\n", (int)read(fd, &expirations, 8), (int)expirations);
  close(fd);
}

static void errors(void) {
  struct itimerspec bad = {{0, 0}, {0, 1000000000}};
  int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  printf("clock: %d\n", timerfd_create(CLOCK_THREAD_CPUTIME_ID, 0) < 0 && errno == EINVAL);
  printf("flags: %d\n", timerfd_create(CLOCK_MONOTONIC, 1) < 0 && errno == EINVAL);
  printf("time: %d\n", timerfd_settime(fd, 0, &bad, NULL) < 0 && errno == EINVAL);
  printf("file: %d\n", timerfd_settime(0, 0, &bad, NULL) < 0 && errno == EINVAL);
  printf("descriptor: %d\n", settime(99, 0, 1, 1) < 0 && errno == EBADF);
}

static void interval(void) {
  struct itimerval setting = {{0, 2000}, {0, 1000}}, old, none = {{0, 0}, {0, 0}};
  handle(SIGALRM);
  setitimer(ITIMER_REAL, &setting, NULL);
  while (count < 3) pause();
  setitimer(ITIMER_REAL, &none, &old);
  printf("three alarms, interval %ld\n", (long)old.it_interval.tv_usec);
  getitimer(ITIMER_REAL, &old);
  printf("left %ld\n", (long)old.it_value.tv_usec);
  printf("which: %d\n", getitimer(7, &old) < 0 && errno == EINVAL);
}

static void used(void) {
  struct itimerval setting = {{0, 0}, {0, 8000}};
  handle(SIGVTALRM);
  handle(SIGPROF);
  setitimer(ITIMER_VIRTUAL, &setting, NULL);
  while (count < 1) {
  }
  printf("virtual after %d\n", now(CLOCK_PROCESS_CPUTIME_ID) > 7);
  setitimer(ITIMER_PROF, &setting, NULL);
  while (count < 2) getppid();
  printf("prof after %d\n", now(CLOCK_PROCESS_CPUTIME_ID) > 15);
}

static void alarms(void) {
  printf("alarm %u\n", alarm(100));
  printf("alarm %u\n", alarm(50));
  unsigned left = alarm(0);
  printf("alarm about 50: %d\n", left == 50 || left == 49);
  printf("alarm %u\n", alarm(0));
}

static void posix(void) {
  timer_t timer;
  struct sigevent event;
  struct itimerspec setting = {{0, 1000000}, {0, 1000000}}, left, none = {{0, 0}, {0, 0}};
  sigset_t mask;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN + 3;
  event.sigev_value.sival_int = 42;
  handle(SIGRTMIN + 3);
  printf("create %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer));
  timer_settime(timer, 0, &setting, NULL);
  while (count < 2) pause();
  printf("code %d, value %d\n", last_code == SI_TIMER, last_value);
  sigemptyset(&mask);
  sigaddset(&mask, SIGRTMIN + 3);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  usleep(12000);
  sigprocmask(SIG_UNBLOCK, &mask, NULL);
  printf("overrun %d\n", timer_getoverrun(timer) >= 5);
  timer_settime(timer, 0, &none, &left);
  printf("interval %ld\n", left.it_interval.tv_nsec);
  int seen = count;
  usleep(5000);
  printf("quiet %d\n", count == seen);
  printf("delete %d\n", timer_delete(timer));
  printf("gone: %d\n", timer_gettime(timer, &left) < 0 && errno == EINVAL);
}

static void of_thread(void) {
  timer_t timer;
  struct sigevent event;
  struct itimerspec setting = {{0, 0}, {0, 1000000}}, left;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGUSR1;
  event.sigev_notify_thread_id = gettid();
  handle(SIGUSR1);
  timer_create(CLOCK_REALTIME, &event, &timer);
  timer_settime(timer, 0, &setting, NULL);
  while (count < 1) pause();
  timer_gettime(timer, &left);
  printf("once, left %ld\n", left.it_value.tv_nsec);
  event.sigev_notify = SIGEV_NONE;
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  setting.it_value.tv_sec = 10;
  timer_settime(timer, 0, &setting, NULL);
  timer_gettime(timer, &left);
  printf("silent, left %d\n", left.it_value.tv_sec >= 9);
  event.sigev_signo = 99;
  event.sigev_notify = SIGEV_SIGNAL;
  printf("signal: %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 && errno == EINVAL);
  printf("clock: %d\n", timer_create(77, NULL, &timer) < 0 && errno == EINVAL);
}

static const struct {
  const char *name;
  void (*run)(void);
} parts[] = {
    {"descriptor", descriptor}, {"blocking", blocking}, {"errors", errors}, {"interval", interval},
    {"used", used},             {"alarms", alarms},     {"posix", posix},   {"thread", of_thread},
};

int main(int argc, char **argv) {
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (argc > 1 && strcmp(argv[1], parts[i].name) == 0) parts[i].run();
  }
  return 0;
}
