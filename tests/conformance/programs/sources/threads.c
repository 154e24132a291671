/* Threads: creation, joining, mutexes, conditions, barriers, thread-local storage, keys. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

#define THREADS 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t gate;
static int counter, turn;
static __thread int own = 7;

/* Runs `body` in THREADS threads with their number as argument, and joins them in order. */
static void in_threads(void *(*body)(void *), void **results) {
  pthread_t threads[THREADS];
  for (intptr_t i = 0; i < THREADS; i++) {
    if (pthread_create(&threads[i], NULL, body, (void *)i) != 0) exit(1);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], results ? &results[i] : NULL);
}

static void *square(void *number) { return (void *)((intptr_t)number * (intptr_t)number); }

static void joins(void) {
  void *results[THREADS];
  in_threads(square, results);
  for (int i = 0; i < THREADS; i++) printf("thread %d gave %d\n", i, (int)(intptr_t)results[i]);
}

static void *count_locked(void *number) {
  (void)number;
  for (int i = 0; i < 500; i++) {
    pthread_mutex_lock(&lock);
    counter++;
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void mutual_exclusion(void) {
  in_threads(count_locked, NULL);
  printf("counted %d\n", counter);
}

static void *take_turns(void *number) {
  for (int round = 0; round < 3; round++) {
    pthread_mutex_lock(&lock);
    while (turn % THREADS != (int)(intptr_t)number) pthread_cond_wait(&changed, &lock);
    printf("round %d, thread %d\n", round, (int)(intptr_t)number);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void conditions(void) {
  in_threads(take_turns, NULL);
  printf("%d turns\n", turn);
}

static void *meet(void *number) {
  (void)number;
  intptr_t last = 0;
  for (int round = 0; round < 5; round++) {
    __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
    last += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    if (__atomic_load_n(&counter, __ATOMIC_SEQ_CST) < THREADS * (round + 1)) exit(1);
    pthread_barrier_wait(&barrier);
  }
  return (void *)last;
}

static void barriers(void) {
  void *results[THREADS];
  int serial = 0;
  pthread_barrier_init(&barrier, NULL, THREADS);
  in_threads(meet, results);
  for (int i = 0; i < THREADS; i++) serial += (int)(intptr_t)results[i];
  printf("counted %d, last in a round %d times\n", counter, serial);
}

static void *add_own(void *number) {
  own += (int)(intptr_t)number;
  return (void *)(intptr_t)own;
}

static void local_storage(void) {
  void *results[THREADS];
  in_threads(add_own, results);
  for (int i = 0; i < THREADS; i++) printf("thread %d has %d\n", i, (int)(intptr_t)results[i]);
  printf("the first has %d\n", own);
}

static void *pass_gate(void *number) {
  (void)number;
  sem_wait(&gate);
  __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static void semaphores(void) {
  pthread_t threads[THREADS];
  sem_init(&gate, 0, 0);
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, pass_gate, NULL);
  printf("passed %d\n", __atomic_load_n(&counter, __ATOMIC_SEQ_CST));
  for (int i = 0; i < THREADS; i++) sem_post(&gate);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  printf("passed %d\n", counter);
}

static void *read_or_write(void *number) {
  for (int i = 0; i < 100; i++) {
    if ((intptr_t)number % 2 == 0) {
      pthread_rwlock_wrlock(&table_lock);
      counter++;
    } else {
      pthread_rwlock_rdlock(&table_lock);
      if (counter < 0) exit(1);
    }
    pthread_rwlock_unlock(&table_lock);
  }
  return NULL;
}

static void readers(void) {
  in_threads(read_or_write, NULL);
  printf("wrote %d times\n", counter);
}

static void *never_ends(void *unused) {
  (void)unused;
  for (;;) pause();
  return NULL;
}

/* exit_group ends the others wherever they are. */
static void group_exit(void) {
  int status;
  if (fork() == 0) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, never_ends, NULL);
    _exit(5);
  }
  wait(&status);
  printf("status %d\n", WEXITSTATUS(status));
}

static void *kills_process(void *unused) {
  (void)unused;
  raise(SIGSEGV);
  return NULL;
}

static void thread_faults(void) {
  int status;
  if (fork() == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, kills_process, NULL);
    pthread_join(thread, NULL);
    _exit(0);
  }
  wait(&status);
  printf("killed by %d\n", WTERMSIG(status));
}

static void *identity(void *unused) {
  (void)unused;
  return (void *)(intptr_t)(getpid() != syscall(SYS_gettid));
}

static void identities(void) {
  void *results[THREADS];
  in_threads(identity, results);
  for (int i = 0; i < THREADS; i++) printf("own id: %d\n", (int)(intptr_t)results[i]);
  printf("the first is the process: %d\n", getpid() == syscall(SYS_gettid));
}

/* Only the thread that calls fork is in the child. */
static void *forks(void *unused) {
  int status;
  (void)unused;
  if (fork() == 0) _exit(getpid() == syscall(SYS_gettid) ? 4 : 1);
  wait(&status);
  return (void *)(intptr_t)WEXITSTATUS(status);
}

static void fork_in_thread(void) {
  pthread_t thread;
  void *result;
  pthread_create(&thread, NULL, forks, NULL);
  pthread_join(thread, &result);
  printf("the child left with %d\n", (int)(intptr_t)result);
}

int main(int argc, char **argv) {
  static const struct part PARTS[] = {
      {"joins", joins},           {"mutual-exclusion", mutual_exclusion},
      {"conditions", conditions}, {"barriers", barriers},
      {"local", local_storage},   {"semaphores", semaphores},
      {"readers", readers},       {"group-exit", group_exit},
      {"faults", thread_faults},  {"identities", identities},
      {"fork", fork_in_thread},
  };
  return RUN_PART(PARTS);
}
