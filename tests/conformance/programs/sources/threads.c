/* Threads and what they wait for each other with; output is the same on any number of CPUs. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 200

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static long counter, turns, minimum_seen = 1;
static atomic_long atomic_counter;
static __thread long mine;

static void together(void *(*work)(void *)) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void *lock_and_count(void *unused) {
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
    atomic_fetch_add(&atomic_counter, 1);
  }
  return unused;
}

static void mutexes(void) {
  together(lock_and_count);
  printf("counted %ld, %ld\n", counter, atomic_load(&atomic_counter));
}

static void *take_turns(void *number) {
  for (long i = 0; i < 20; i++) {
    pthread_mutex_lock(&mutex);
    while (turns % THREADS != (long)number) pthread_cond_wait(&condition, &mutex);
    turns++;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static void conditions(void) {
  struct timespec soon;
  together(take_turns);
  printf("turns %ld\n", turns);
  clock_gettime(CLOCK_REALTIME, &soon);
  soon.tv_nsec += 1000000;
  if (soon.tv_nsec >= 1000000000) {
    soon.tv_nsec -= 1000000000;
    soon.tv_sec++;
  }
  pthread_mutex_lock(&mutex);
  printf("timed out %d\n", pthread_cond_timedwait(&condition, &mutex, &soon) == ETIMEDOUT);
  pthread_mutex_unlock(&mutex);
}

static void *meet(void *unused) {
  for (int i = 0; i < 10; i++) {
    atomic_fetch_add(&atomic_counter, 1);
    pthread_barrier_wait(&barrier);
    if (atomic_load(&atomic_counter) < (i + 1) * THREADS) minimum_seen = 0;
    pthread_barrier_wait(&barrier);
  }
  return unused;
}

static void barriers(void) {
  pthread_barrier_init(&barrier, NULL, THREADS);
  together(meet);
  printf("nobody was early: %ld\n", minimum_seen);
}

static void *read_or_write(void *number) {
  for (int i = 0; i < 50; i++) {
    if ((long)number == 0) {
      pthread_rwlock_wrlock(&rwlock);
      counter++;
      mine = counter;
      sched_yield();
      if (counter != mine) minimum_seen = 0;
    } else {
      pthread_rwlock_rdlock(&rwlock);
      mine = counter;
      sched_yield();
      if (counter != mine) minimum_seen = 0;
    }
    pthread_rwlock_unlock(&rwlock);
  }
  return NULL;
}

static void readers(void) {
  together(read_or_write);
  printf("written %ld, nobody saw a change: %ld\n", counter, minimum_seen);
}

static void *post(void *unused) {
  for (int i = 0; i < 25; i++) sem_post(&semaphore);
  return unused;
}

static void semaphores(void) {
  int value;
  sem_init(&semaphore, 0, 0);
  together(post);
  for (int i = 0; i < 25 * THREADS; i++) sem_wait(&semaphore);
  sem_getvalue(&semaphore, &value);
  printf("left %d, try %d\n", value, sem_trywait(&semaphore) < 0 && errno == EAGAIN);
}

static void *use_own(void *number) {
  for (int i = 0; i < 100; i++) {
    mine += (long)number;
    if (i % 10 == 0) sched_yield();
  }
  return (void *)mine;
}

static void locals(void) {
  pthread_t threads[THREADS];
  void *result;
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, use_own, (void *)i);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], &result);
    printf("thread %d had %ld\n", i, (long)result);
  }
  printf("main has %ld\n", mine);
}

static void clean(void *text) { printf("cleaned: %s\n", (char *)text); }

static void *wait_for_ever(void *unused) {
  pthread_cleanup_push(clean, "a sleeper");
  sem_post(&semaphore);
  for (;;) pause();
  pthread_cleanup_pop(0);
  return unused;
}

static void cancelled(void) {
  pthread_t thread;
  void *result;
  sem_init(&semaphore, 0, 0);
  pthread_create(&thread, NULL, wait_for_ever, NULL);
  sem_wait(&semaphore);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  printf("cancelled %d\n", result == PTHREAD_CANCELED);
}

static volatile sig_atomic_t signalled_thread;

static void note_thread(int signal) {
  (void)signal;
  signalled_thread = gettid();
}

static void *sleep_for_signal(void *tid) {
  *(pid_t *)tid = gettid();
  sem_post(&semaphore);
  while (signalled_thread == 0) usleep(200);
  return NULL;
}

static void signalled(void) {
  pthread_t thread;
  pid_t tid;
  sem_init(&semaphore, 0, 0);
  signal(SIGUSR1, note_thread);
  pthread_create(&thread, NULL, sleep_for_signal, &tid);
  sem_wait(&semaphore);
  pthread_kill(thread, SIGUSR1);
  pthread_join(thread, NULL);
  printf("its own signal: %d\n", signalled_thread == tid && tid != getpid());
}

static void *crash(void *unused) {
  *(volatile int *)8 = 1;
  return unused;
}

static void crashed(void) {
  int status;
  fflush(stdout);
  if (fork() == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, crash, NULL);
    pause();
    _exit(0);
  }
  wait(&status);
  printf("all threads die of signal %d\n", WTERMSIG(status));
}

static void *leave_process(void *unused) {
  exit(7);
  return unused;
}

static void left(void) {
  int status;
  fflush(stdout);
  if (fork() == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, leave_process, NULL);
    pause();
    _exit(0);
  }
  wait(&status);
  printf("exit %d\n", WEXITSTATUS(status));
}

static void *hold_for_ever(void *lock) {
  pthread_mutex_lock(lock);
  return NULL;
}

static void robust(void) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t lock;
  pthread_t thread;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&lock, &attributes);
  pthread_create(&thread, NULL, hold_for_ever, &lock);
  pthread_join(thread, NULL);
  printf("owner died: %d\n", pthread_mutex_lock(&lock) == EOWNERDEAD);
  printf("consistent: %d\n", pthread_mutex_consistent(&lock));
  printf("unlock %d\n", pthread_mutex_unlock(&lock));
  printf("lock %d\n", pthread_mutex_lock(&lock));
}

static void *inherit(void *lock) {
  for (int i = 0; i < 50; i++) {
    pthread_mutex_lock(lock);
    counter++;
    if (i % 5 == 0) sched_yield();
    pthread_mutex_unlock(lock);
  }
  return NULL;
}

static void priority(void) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t lock;
  pthread_t threads[THREADS];
  pthread_mutexattr_init(&attributes);
  printf("protocol %d\n", pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
  pthread_mutex_init(&lock, &attributes);
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, inherit, &lock);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  printf("counted %ld\n", counter);
}

static const struct {
  const char *name;
  void (*run)(void);
} parts[] = {
    {"mutexes", mutexes},       {"conditions", conditions}, {"barriers", barriers},
    {"readers", readers},       {"semaphores", semaphores}, {"locals", locals},
    {"cancelled", cancelled},   {"signalled", signalled},   {"crashed", crashed},
    {"left", left},             {"robust", robust},         {"priority", priority},
};

int main(int argc, char **argv) {
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
    if (argc > 1 && strcmp(argv[1], parts[i].name) == 0) parts[i].run();
  }
  return 0;
}
