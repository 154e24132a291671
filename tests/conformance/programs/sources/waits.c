/* Waiting for the first of several futexes, and being moved to a priority-inheriting lock while asleep. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"

/* As in linux/futex.h, which musl does not bring. */
enum { FUTEX_WAKE = 1, FUTEX_LOCK_PI = 6, FUTEX_UNLOCK_PI = 7 };
enum { FUTEX_WAIT_REQUEUE_PI = 11, FUTEX_CMP_REQUEUE_PI = 12 };
#define SYS_FUTEX_WAITV 449
#define FUTEX_TID_MASK 0x3fffffffu
#define FUTEX_WAITERS 0x80000000u
#define WORD_32 2
#define PRIVATE 128

struct waiter {
  uint64_t value, address;
  uint32_t flags, reserved;
};

static const char *error_of(long result) { return result < 0 ? strerror(errno) : "none"; }

static long futex(uint32_t *word, int op, uint32_t value, const void *timeout, uint32_t *other,
                  uint32_t third) {
  return syscall(SYS_futex, word, op, value, timeout, other, third);
}

static long waitv(struct waiter *waiters, unsigned count, unsigned flags, struct timespec *until,
                  int clock) {
  return syscall(SYS_FUTEX_WAITV, waiters, count, flags, until, clock);
}

static uint32_t *shared_words(void) {
  int access = PROT_READ | PROT_WRITE, kind = MAP_SHARED | MAP_ANONYMOUS;
  return mmap(NULL, 4096, access, kind, -1, 0);
}

static struct timespec from_now(int clock, long ns) {
  struct timespec time;
  clock_gettime(clock, &time);
  time.tv_nsec += ns;
  if (time.tv_nsec >= 1000000000) time.tv_sec++, time.tv_nsec -= 1000000000;
  return time;
}

static struct waiter on(uint32_t *word, uint32_t value) {
  return (struct waiter){value, (uintptr_t)word, WORD_32, 0};
}

static void errors(void) {
  uint32_t words[2] = {5, 6};
  struct waiter good[2] = {on(&words[0], 5), on(&words[1], 6)};
  struct waiter odd[1] = {good[0]}, size[1] = {good[0]}, reserved[1] = {good[0]}, far[1] = {good[0]};
  struct timespec bad = {0, 1000000000}, soon = from_now(CLOCK_MONOTONIC, 1000000);
  odd[0].address++;
  size[0].flags = 1;
  reserved[0].reserved = 1;
  far[0].address = 4096;
  printf("none: %s\n", error_of(waitv(good, 0, 0, NULL, 0)));
  printf("no array: %s\n", error_of(waitv(NULL, 1, 0, NULL, 0)));
  printf("too many: %s\n", error_of(waitv(good, 129, 0, NULL, 0)));
  printf("flags: %s\n", error_of(waitv(good, 2, 1, NULL, 0)));
  printf("clock: %s\n", error_of(waitv(good, 2, 0, &soon, CLOCK_BOOTTIME)));
  printf("bad time: %s\n", error_of(waitv(good, 2, 0, &bad, CLOCK_MONOTONIC)));
  printf("array elsewhere: %s\n", error_of(waitv((void *)4096, 1, 0, NULL, 0)));
  printf("misaligned: %s\n", error_of(waitv(odd, 1, 0, NULL, 0)));
  printf("size: %s\n", error_of(waitv(size, 1, 0, NULL, 0)));
  printf("reserved: %s\n", error_of(waitv(reserved, 1, 0, NULL, 0)));
  printf("word elsewhere: %s\n", error_of(waitv(far, 1, 0, NULL, 0)));
  words[1] = 7;
  printf("changed: %s\n", error_of(waitv(good, 2, 0, NULL, 0)));
  words[1] = 6;
  printf("late: %s\n", error_of(waitv(good, 2, 0, &soon, CLOCK_MONOTONIC)));
  soon = from_now(CLOCK_REALTIME, 1000000);
  good[0].flags |= PRIVATE;
  printf("late by the wall: %s\n", error_of(waitv(good, 2, 0, &soon, CLOCK_REALTIME)));
}

/* Wakes one waiter of a word, who may not have gone to sleep yet. */
static void wake_one(uint32_t *word) {
  while (futex(word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0) sched_yield();
}

static int reap(void) {
  int status;
  wait(&status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void first_of_several(void) {
  uint32_t *words = shared_words();
  for (int chosen = 0; chosen < 4; chosen++) {
    if (fork() == 0) {
      struct waiter waiters[4];
      for (int i = 0; i < 4; i++) waiters[i] = on(&words[i], 0);
      _exit((int)waitv(waiters, 4, 0, NULL, 0));
    }
    wake_one(&words[chosen]);
    printf("woke %d: %d\n", chosen, reap());
    fflush(stdout);
  }
}

static void on_alarm(int signal) { (void)signal; }

static void interrupted(void) {
  uint32_t word = 0;
  struct waiter waiter = on(&word, 0);
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  alarm(1);
  printf("signal: %s\n", error_of(waitv(&waiter, 1, 0, NULL, 0)));
}

static void requeue_errors(void) {
  uint32_t words[2] = {1, 0};
  struct timespec soon = from_now(CLOCK_MONOTONIC, 1000000);
  printf("same word: %s\n",
         error_of(futex(words, FUTEX_WAIT_REQUEUE_PI, 1, NULL, words, 0)));
  printf("changed: %s\n",
         error_of(futex(words, FUTEX_WAIT_REQUEUE_PI, 2, NULL, words + 1, 0)));
  printf("late: %s\n",
         error_of(futex(words, FUTEX_WAIT_REQUEUE_PI, 1, &soon, words + 1, 0)));
  printf("wake two: %s\n",
         error_of(futex(words, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, words + 1, 1)));
  printf("to itself: %s\n", error_of(futex(words, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, words, 1)));
  printf("other value: %s\n",
         error_of(futex(words, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, words + 1, 2)));
  printf("nobody: %ld\n", futex(words, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, words + 1, 1));
}

/* Waits on the condition, takes the lock by being moved to it, counts and unlocks. */
static int wait_and_count(uint32_t *words) {
  if (futex(words, FUTEX_WAIT_REQUEUE_PI, 0, NULL, words + 1, 0) != 0) return 50;
  if ((words[1] & FUTEX_TID_MASK) != (uint32_t)syscall(SYS_gettid)) return 51;
  words[2]++;
  if (futex(words + 1, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) != 0) return 52;
  return 1;
}

/* Moves until `count` have been woken or moved. */
static void broadcast(uint32_t *words, int count) {
  while (count > 0) {
    long moved = futex(words, FUTEX_CMP_REQUEUE_PI, 1, (void *)10, words + 1, 0);
    if (moved < 0) exit(printf("requeue: %s\n", strerror(errno)));
    count -= (int)moved;
    if (moved == 0) sched_yield();
  }
}

static void hand_over(int locked) {
  uint32_t *words = shared_words();
  for (int i = 0; i < 3; i++) {
    if (fork() == 0) _exit(wait_and_count(words));
  }
  if (locked && futex(words + 1, FUTEX_LOCK_PI, 0, NULL, NULL, 0) != 0) exit(1);
  broadcast(words, 3);
  if (locked) {
    printf("counted while locked: %u\n", words[2]);
    printf("waiters: %s\n", (words[1] & FUTEX_WAITERS) != 0 ? "yes" : "no");
    futex(words + 1, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
  }
  int sum = 0;
  for (int i = 0; i < 3; i++) sum += reap();
  printf("statuses add up to %d, counted %u, lock %u\n", sum, words[2], words[1]);
}

static void moved_to_free_lock(void) { hand_over(0); }
static void moved_to_taken_lock(void) { hand_over(1); }

/* A waiter that gives up after it was moved leaves the lock alone. */
static void late_after_move(void) {
  uint32_t *words = shared_words();
  if (futex(words + 1, FUTEX_LOCK_PI, 0, NULL, NULL, 0) != 0) exit(1);
  if (fork() == 0) {
    struct timespec soon = from_now(CLOCK_MONOTONIC, 50000000);
    long result = futex(words, FUTEX_WAIT_REQUEUE_PI, 0, &soon, words + 1, 0);
    _exit(result < 0 && errno == ETIMEDOUT ? 7 : 8);
  }
  broadcast(words, 1);
  printf("waiter: %d\n", reap());
  printf("still mine: %s\n", (words[1] & FUTEX_TID_MASK) == (uint32_t)getpid() ? "yes" : "no");
  printf("unlock: %s\n", error_of(futex(words + 1, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)));
}

int main(int argc, char **argv) {
  static const struct part parts[] = {
      {"errors", errors},
      {"several", first_of_several},
      {"interrupted", interrupted},
      {"requeue-errors", requeue_errors},
      {"free-lock", moved_to_free_lock},
      {"taken-lock", moved_to_taken_lock},
      {"late", late_after_move},
  };
  return RUN_PART(parts);
}
