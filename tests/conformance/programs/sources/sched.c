/* Scheduling policies, affinity and futex operations without a library. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint32_t word, other, done;

static long futex(_Atomic uint32_t *at, int operation, uint32_t value, const void *fourth,
                  _Atomic uint32_t *second, uint32_t sixth) {
  long result = syscall(SYS_futex, at, operation, value, fourth, second, sixth);
  return result < 0 ? -errno : result;
}

/* sched_setscheduler of the kernel: musl's own only fails. */
static int set_policy(int policy, int priority) {
  struct sched_param parameter = {.sched_priority = priority};
  return syscall(SYS_sched_setscheduler, 0, policy, &parameter) < 0 ? errno : 0;
}

static void policies(void) {
  struct sched_param parameter;
  printf("default %ld\n", syscall(SYS_sched_getscheduler, 0));
  printf("batch %d\n", set_policy(SCHED_BATCH, 0));
  printf("now %ld\n", syscall(SYS_sched_getscheduler, 0));
  printf("idle %d\n", set_policy(SCHED_IDLE, 0));
  printf("priority for other %d\n", set_policy(SCHED_OTHER, 5) == EINVAL);
  printf("unknown %d\n", set_policy(77, 0) == EINVAL);
  printf("range %d to %d\n", sched_get_priority_min(SCHED_FIFO), sched_get_priority_max(SCHED_FIFO));
  printf("too high %d\n", set_policy(SCHED_FIFO, 100) == EINVAL);
  syscall(SYS_sched_getparam, 0, &parameter);
  printf("parameter %d\n", parameter.sched_priority);
  printf("nobody %d\n", syscall(SYS_sched_getscheduler, 99999) < 0 && errno == ESRCH);
}

static void nice_values(void) {
  printf("at first %d\n", getpriority(PRIO_PROCESS, 0));
  printf("nice %d\n", nice(5));
  printf("now %d\n", getpriority(PRIO_PROCESS, 0));
  printf("set %d\n", setpriority(PRIO_PROCESS, 0, 12));
  printf("now %d\n", getpriority(PRIO_PROCESS, 0));
  fflush(stdout);
  if (fork() == 0) {
    printf("child %d\n", getpriority(PRIO_PROCESS, 0));
    exit(0);
  }
  wait(NULL);
  setpriority(PRIO_PROCESS, 0, 100);
  printf("at most %d\n", getpriority(PRIO_PROCESS, 0));
  printf("which %d\n", setpriority(9, 0, 0) < 0 && errno == EINVAL);
}

static void affinity(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  printf("empty %d\n", sched_setaffinity(0, sizeof set, &set) < 0 && errno == EINVAL);
  CPU_SET(0, &set);
  printf("first %d\n", sched_setaffinity(0, sizeof set, &set));
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  printf("count %d, on %d\n", CPU_COUNT(&set), sched_getcpu());
  printf("short %d\n", syscall(SYS_sched_getaffinity, 0, 4, &set) < 0 && errno == EINVAL);
  fflush(stdout);
  if (fork() == 0) {
    sched_getaffinity(0, sizeof set, &set);
    printf("child %d\n", CPU_COUNT(&set));
    exit(0);
  }
  wait(NULL);
}

static void yields(void) {
  int failures = 0;
  for (int i = 0; i < 1000; i++) failures += sched_yield();
  printf("failures %d\n", failures);
}

static void limits(void) {
  struct rlimit limit = {100, 200};
  printf("set %d\n", setrlimit(RLIMIT_NOFILE, &limit));
  getrlimit(RLIMIT_NOFILE, &limit);
  printf("limit %ld, %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
  int last = -1, fd;
  while ((fd = dup(1)) >= 0) last = fd;
  printf("last %d, %s\n", last, strerror(errno));
}

static void futexes(void) {
  struct timespec soon = {0, 1000000}, bad = {0, -1};
  printf("changed %d\n", futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0) == -EAGAIN);
  printf("timeout %d\n", futex(&word, FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0) == -ETIMEDOUT);
  printf("bad time %d\n", futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0) == -EINVAL);
  printf("nobody %ld\n", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
  _Atomic uint32_t *odd = (_Atomic uint32_t *)((char *)&word + 1);
  printf("unaligned %d\n", futex(odd, FUTEX_WAKE, 1, NULL, NULL, 0) == -EINVAL);
  printf("unmapped %d\n", futex((void *)4096, FUTEX_WAIT, 0, NULL, NULL, 0) == -EFAULT);
  printf("operation %d\n", futex(&word, 77, 0, NULL, NULL, 0) == -ENOSYS);
  printf("absolute %d\n",
         futex(&word, FUTEX_WAIT_BITSET, 0, &soon, NULL, FUTEX_BITSET_MATCH_ANY) == -ETIMEDOUT);
  printf("no bits %d\n", futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0) == -EINVAL);
}

static void *wait_on_word(void *bits) {
  futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(uintptr_t)bits);
  atomic_fetch_add(&done, 1);
  return NULL;
}

/* Wakes with `bits` until `count` threads have woken: they may not be asleep yet. */
static long wake_until(uint32_t bits, long count) {
  long woken = 0;
  while (woken < count) {
    woken += futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1000, NULL, NULL, bits);
    usleep(100);
  }
  return woken;
}

static void bitsets(void) {
  pthread_t threads[3];
  for (uintptr_t i = 0; i < 3; i++) {
    pthread_create(&threads[i], NULL, wait_on_word, (void *)(uintptr_t)(1u << i));
  }
  printf("second %ld\n", wake_until(2, 1));
  pthread_join(threads[1], NULL);
  printf("one is through: %d\n", done == 1);
  printf("others %ld\n", wake_until(5, 2));
  pthread_join(threads[0], NULL);
  pthread_join(threads[2], NULL);
  printf("all %d\n", (int)done);
}

static void *wait_plainly(void *unused) {
  atomic_fetch_add(&done, 1);
  futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  return unused;
}

static void requeue(void) {
  pthread_t threads[4];
  long moved = 0, woken = 0;
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, wait_plainly, NULL);
  printf("compare %d\n",
         futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)9, &other, 1) == -EAGAIN);
  while (moved < 4) {
    moved += futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)9, &other, 0);
    usleep(100);
  }
  printf("moved %ld\n", moved);
  printf("left %ld\n", futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
  uint32_t operation = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 0);
  woken = futex(&word, FUTEX_WAKE_OP_PRIVATE, 9, (void *)2, &other, operation);
  printf("woken %ld, other %u\n", woken, other);
  printf("last %ld\n", futex(&other, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

static const struct {
  const char *name;
  void (*run)(void);
} parts[] = {
    {"policies", policies}, {"nice", nice_values}, {"affinity", affinity}, {"yield", yields},
    {"limits", limits},     {"futexes", futexes},  {"bitsets", bitsets},   {"requeue", requeue},
};

int main(int argc, char **argv) {
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (argc > 1 && strcmp(argv[1], parts[i].name) == 0) parts[i].run();
  }
  return 0;
}
