/* Futex operations by number, and what the scheduler answers about policies and affinity. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"

/* As in the kernel's linux/futex.h, which musl does not bring. */
enum { FUTEX_WAIT, FUTEX_WAKE, FUTEX_CMP_REQUEUE = 4, FUTEX_LOCK_PI = 6, FUTEX_UNLOCK_PI };
enum { FUTEX_TRYLOCK_PI = 8, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET };
#define FUTEX_WAITERS 0x80000000u
#define FUTEX_TID_MASK 0x3fffffffu

static const char *error_of(long result) { return result < 0 ? strerror(errno) : "none"; }

static long futex(uint32_t *word, int op, uint32_t value, const void *timeout, uint32_t *other,
                  uint32_t third) {
  return syscall(SYS_futex, word, op, value, timeout, other, third);
}

static uint32_t *shared_words(void) {
  int access = PROT_READ | PROT_WRITE, kind = MAP_SHARED | MAP_ANONYMOUS;
  return mmap(NULL, 4096, access, kind, -1, 0);
}

static void errors(void) {
  uint32_t word = 1;
  struct timespec bad = {0, 1000000000}, soon = {0, 1000000};
  printf("changed: %s\n", error_of(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0)));
  printf("late: %s\n", error_of(futex(&word, FUTEX_WAIT, 1, &soon, NULL, 0)));
  printf("bad time: %s\n", error_of(futex(&word, FUTEX_WAIT, 1, &bad, NULL, 0)));
  printf("no mask: %s\n", error_of(futex(&word, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0)));
  printf("nobody: %ld\n", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
  printf("misaligned: %s\n",
         error_of(futex((uint32_t *)((char *)&word + 1), FUTEX_WAKE, 1, NULL, NULL, 0)));
  printf("unmapped: %s\n", error_of(futex((uint32_t *)4096, FUTEX_WAIT, 1, NULL, NULL, 0)));
  printf("unknown: %s\n", error_of(futex(&word, 99, 1, NULL, NULL, 0)));
}

/* Wakes until `count` have been woken: a child may not have gone to sleep yet. */
static void wake_all(uint32_t *word, int op, int count, uint32_t mask) {
  while (count > 0) {
    long woken = futex(word, op, 1, NULL, NULL, mask);
    if (woken < 0) exit(1);
    count -= (int)woken;
    if (woken == 0) sched_yield();
  }
}

static void reap(int count) {
  int status, sum = 0;
  for (int i = 0; i < count; i++) {
    wait(&status);
    sum += WEXITSTATUS(status);
  }
  printf("statuses add up to %d\n", sum);
}

static void across_processes(void) {
  uint32_t *words = shared_words();
  for (int i = 1; i <= 3; i++) {
    if (fork() == 0) _exit(futex(words, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? i : 100);
  }
  wake_all(words, FUTEX_WAKE, 3, 0);
  reap(3);
}

static void bitsets(void) {
  uint32_t *words = shared_words();
  if (fork() == 0) _exit(futex(words, FUTEX_WAIT_BITSET, 0, NULL, NULL, 4) == 0 ? 9 : 100);
  printf("other bits: %ld\n", futex(words, FUTEX_WAKE_BITSET, 1, NULL, NULL, 3));
  wake_all(words, FUTEX_WAKE_BITSET, 1, 6);
  reap(1);
}

static void requeues(void) {
  uint32_t *words = shared_words();
  for (int i = 0; i < 2; i++) {
    if (fork() == 0) _exit(futex(words, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 1 : 100);
  }
  for (long moved = 0; moved < 2; sched_yield()) {
    moved += futex(words, FUTEX_CMP_REQUEUE, 0, (void *)2L, words + 16, 0);
  }
  printf("nobody is left: %ld\n", futex(words, FUTEX_WAKE, 9, NULL, NULL, 0));
  printf("moved and woken: %ld\n", futex(words + 16, FUTEX_WAKE, 9, NULL, NULL, 0));
  printf("changed: %s\n",
         error_of(futex(words, FUTEX_CMP_REQUEUE, 0, (void *)2L, words + 16, 5)));
  reap(2);
}

static void inheritance(void) {
  uint32_t *words = shared_words();
  printf("locked %ld\n", futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
  printf("mine: %d\n", (*words & FUTEX_TID_MASK) == (uint32_t)getpid());
  printf("twice: %s\n", error_of(futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0)));
  if (fork() == 0) {
    long tried = futex(words, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0);
    int busy = tried < 0 && errno == EAGAIN;
    _exit(busy && futex(words, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0 ? 3 : 100);
  }
  while (!(__atomic_load_n(words, __ATOMIC_SEQ_CST) & FUTEX_WAITERS)) sched_yield();
  printf("unlocked %ld\n", futex(words, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
  reap(1);
  printf("not mine: %s\n", error_of(futex(words + 1, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)));
}

static void policies(void) {
  static const int POLICIES[] = {SCHED_OTHER, SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE};
  for (int i = 0; i < 5; i++) {
    long least = syscall(SYS_sched_get_priority_min, POLICIES[i]);
    printf("policy %d: %ld", POLICIES[i], least);
    printf(" to %ld\n", syscall(SYS_sched_get_priority_max, POLICIES[i]));
  }
  struct sched_param none = {.sched_priority = 0}, wrong = {.sched_priority = 5};
  printf("batch %ld\n", syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none));
  printf("now %ld\n", syscall(SYS_sched_getscheduler, 0));
  printf("priority: %s\n", error_of(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &wrong)));
  printf("unknown: %s\n", error_of(syscall(SYS_sched_setscheduler, 0, 42, &none)));
  printf("nobody: %s\n", error_of(syscall(SYS_sched_getscheduler, 4000000)));
}

static void niceness(void) {
  int status;
  printf("nice %d\n", nice(5));
  printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
  if (fork() == 0) _exit(getpriority(PRIO_PROCESS, 0));
  wait(&status);
  printf("inherited %d\n", WEXITSTATUS(status));
  printf("set %d\n", setpriority(PRIO_PROCESS, 0, 30));
  printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
}

static void affinity(void) {
  cpu_set_t first, none;
  CPU_ZERO(&none);
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  printf("set %d\n", sched_setaffinity(0, sizeof first, &first));
  printf("on %d\n", sched_getcpu());
  CPU_ZERO(&first);
  sched_getaffinity(0, sizeof first, &first);
  printf("allowed %d\n", CPU_COUNT(&first));
  printf("none: %s\n", error_of(sched_setaffinity(0, sizeof none, &none)));
  printf("too short: %s\n", error_of(syscall(SYS_sched_getaffinity, 0, 1, &first)));
}

int main(int argc, char **argv) {
  static const struct part PARTS[] = {
      {"errors", errors},     {"processes", across_processes}, {"bitsets", bitsets},
      {"requeues", requeues}, {"inheritance", inheritance},    {"policies", policies},
      {"nice", niceness},     {"affinity", affinity},
  };
  return RUN_PART(PARTS);
}
