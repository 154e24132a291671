/* Processes, threads, ping-pong between tasks, and contended locks. */
#include "measure.h"
#include <sys/wait.h>

#define REPEATS 9

static void fork_rows(const char *params, long megabytes, int huge, int repeats) {
  if (megabytes > megabytes_max / 2) return;
  if (skipped("fork_exit_wait", params) && skipped("fork_call_in_parent", params)) return;
  double whole[REPEATS], call[REPEATS];
  char *base = NULL;
  size_t bytes = (size_t)megabytes << 20;
  if (bytes > 0) {
    base = map_memory(bytes < (2 << 20) ? 2 << 20 : bytes, huge);
    for (size_t i = 0; i < bytes; i += 4096) ((volatile char *)base)[i] = 1;
  }
  for (int i = -1; i < repeats; i++) {
    u64 begin = tsc_begin();
    pid_t child = fork();
    if (child == 0) _exit(0);
    u64 returned = tsc_end();
    if (child < 0) {
      unsupported("fork_exit_wait", params, strerror(errno));
      unsupported("fork_call_in_parent", params, strerror(errno));
      break;
    }
    waitpid(child, 0, 0);
    u64 end = tsc_end();
    if (i < 0) continue;
    call[i] = returned - begin;
    whole[i] = end - begin;
    if (i == repeats - 1) {
      emit("fork_exit_wait", params, whole, repeats);
      emit("fork_call_in_parent", params, call, repeats);
    }
  }
  if (base != NULL) munmap(base, bytes < (2 << 20) ? 2 << 20 : bytes);
}

void fork_section(void) {
  fork_rows("touched=0MiB 4K", 0, 0, 9);
  fork_rows("touched=1MiB 4K", 1, 0, 9);
  fork_rows("touched=16MiB 4K", 16, 0, 5);
  fork_rows("touched=128MiB 4K", 128, 0, 3);
  fork_rows("touched=512MiB 4K", 512, 0, 1);
  fork_rows("touched=512MiB THP", 512, 1, 3);
}

static void *leave(void *argument) { return argument; }

static void create_join(long n, void *argument) {
  cpu_set_t set;
  pthread_attr_t attributes;
  CPU_ZERO(&set);
  CPU_SET((long)argument, &set);
  pthread_attr_init(&attributes);
  pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
  for (long i = 0; i < n; i++) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, leave, 0) == 0) pthread_join(thread, 0);
  }
  pthread_attr_destroy(&attributes);
}

void threads_section(void) {
  pthread_t thread;
  int error = pthread_create(&thread, 0, leave, 0);
  if (error == 0) pthread_join(thread, 0);
  for (long cpu = 0; cpu < 2; cpu++) {
    char params[32];
    snprintf(params, sizeof params, "child on cpu%ld", cpu);
    if (error != 0) unsupported("pthread_create_join", params, strerror(error));
    else bench_batches("pthread_create_join", params, create_join, (void *)cpu, 3, BATCH * 20);
  }
}

/* Two pipes, or one futex word in shared memory whose value says whose turn it is. */
struct table {
  int there[2], back[2];
  int *turn;
  int partner_cpu;
};

static void answer_pipe(const struct table *t) {
  char byte;
  while (read(t->there[0], &byte, 1) == 1 && byte != 0)
    if (write(t->back[1], &byte, 1) != 1) return;
}

static void pipe_round(long n, void *argument) {
  const struct table *t = argument;
  char byte = 1;
  for (long i = 0; i < n; i++)
    if (write(t->there[1], &byte, 1) != 1 || read(t->back[0], &byte, 1) != 1) return;
}

static void wait_for(int *turn, int value, int *leaving) {
  int seen;
  while ((seen = __atomic_load_n(turn, __ATOMIC_ACQUIRE)) != value) {
    if (seen == 2) {
      *leaving = 1;
      return;
    }
    RAW(SYS_futex, turn, FUTEX_WAIT, seen, 0);
  }
}

static void pass_to(int *turn, int value) {
  __atomic_store_n(turn, value, __ATOMIC_RELEASE);
  RAW(SYS_futex, turn, FUTEX_WAKE, 1, 0);
}

static void answer_futex(const struct table *t) {
  int leaving = 0;
  for (;;) {
    wait_for(t->turn, 1, &leaving);
    if (leaving) return;
    pass_to(t->turn, 0);
  }
}

static void futex_round(long n, void *argument) {
  const struct table *t = argument;
  int leaving = 0;
  for (long i = 0; i < n; i++) {
    pass_to(t->turn, 1);
    wait_for(t->turn, 0, &leaving);
  }
}

static void *partner_thread(void *argument) {
  const struct table *t = argument;
  pin(t->partner_cpu);
  if (t->turn != NULL) answer_futex(t);
  else answer_pipe(t);
  return 0;
}

static void play(const char *name, const char *params, int futex, int threads, int cpu) {
  struct table t = {.partner_cpu = cpu};
  char end = 0;
  pthread_t thread;
  pid_t child = 0;
  if (skipped(name, params)) return;
  if (futex) {
    t.turn = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t.turn == MAP_FAILED) {
      unsupported(name, params, strerror(errno));
      return;
    }
  } else if (pipe(t.there) != 0 || pipe(t.back) != 0) {
    unsupported(name, params, strerror(errno));
    return;
  }
  int error = 0;
  if (threads) error = pthread_create(&thread, 0, partner_thread, &t);
  else {
    child = fork();
    if (child == 0) {
      partner_thread(&t);
      _exit(0);
    }
    if (child < 0) error = errno;
  }
  if (error != 0) {
    unsupported(name, params, strerror(error));
    return;
  }
  bench_batches(name, params, futex ? futex_round : pipe_round, &t, 3, BATCH * 20);
  if (futex) pass_to(t.turn, 2);
  else if (write(t.there[1], &end, 1) != 1) return;
  if (threads) pthread_join(thread, 0);
  else waitpid(child, 0, 0);
}

void pingpong_section(void) {
  play("pingpong_pipe", "same cpu processes (round trip)", 0, 0, 0);
  play("pingpong_pipe", "same cpu threads (round trip)", 0, 1, 0);
  play("pingpong_futex", "same cpu threads (round trip)", 1, 1, 0);
  play("pingpong_futex", "same cpu processes (round trip)", 1, 0, 0);
}

static void cross_rows(const char *tag) {
  static const struct {
    const char *name, *who;
    int futex, threads;
  } rows[] = {{"pingpong_pipe", "processes", 0, 0},
              {"pingpong_pipe", "threads", 0, 1},
              {"pingpong_futex", "threads", 1, 1},
              {"pingpong_futex", "processes", 1, 0}};
  for (int i = 0; i < 4; i++) {
    char params[96];
    snprintf(params, sizeof params, "cross cpu %s%s (round trip)", rows[i].who, tag);
    play(rows[i].name, params, rows[i].futex, rows[i].threads, 1);
  }
}

void cross_pingpong_section(void) {
  cross_rows("");
  pid_t spinner = fork();
  if (spinner == 0) {
    struct sched_param priority = {0};
    pin(1);
    sched_setscheduler(0, SCHED_IDLE, &priority);
    for (;;) asm volatile("");
  }
  if (spinner < 0) return;
  usleep(2000);
  cross_rows(", cpu1 kept awake by SCHED_IDLE spinner");
  kill(spinner, SIGKILL);
  waitpid(spinner, 0, 0);
}

static volatile u64 __attribute__((aligned(128))) ours[16], theirs[16];
static volatile int stop, started;

static void *answer_line(void *argument) {
  u64 seen = 0;
  pin(1);
  started = 1;
  while (!stop) {
    while (ours[0] == seen)
      if (stop) return argument;
    seen = ours[0];
    theirs[0] = seen;
  }
  return argument;
}

static void line_round(long n, void *argument) {
  (void)argument;
  for (long i = 0; i < n; i++) {
    u64 next = ours[0] + 1;
    ours[0] = next;
    while (theirs[0] != next) continue;
  }
}

void line_section(void) {
  pthread_t thread;
  int error = pthread_create(&thread, 0, answer_line, 0);
  if (error != 0) {
    unsupported("cacheline_pingpong_roundtrip", "cpu0<->cpu1", strerror(error));
    return;
  }
  while (!started) sched_yield();
  bench_batches("cacheline_pingpong_roundtrip", "cpu0<->cpu1", line_round, 0, BATCHES, BATCH * 10);
  stop = 1;
  pthread_join(thread, 0);
}

/* A mutex of three states as in Drepper's paper (0 free, 1 taken, 2 taken with waiters). */
static struct {
  int value;
  char pad[60];
} own;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void own_lock(void) {
  int state = 0;
  if (__atomic_compare_exchange_n(&own.value, &state, 1, 0, __ATOMIC_ACQUIRE, 0)) return;
  if (state != 2) state = __atomic_exchange_n(&own.value, 2, __ATOMIC_ACQUIRE);
  while (state != 0) {
    RAW(SYS_futex, &own.value, FUTEX_WAIT_PRIVATE, 2, 0);
    state = __atomic_exchange_n(&own.value, 2, __ATOMIC_ACQUIRE);
  }
}

static void own_unlock(void) {
  if (__atomic_exchange_n(&own.value, 0, __ATOMIC_RELEASE) == 2)
    RAW(SYS_futex, &own.value, FUTEX_WAKE_PRIVATE, 1, 0);
}

static volatile int go, halt, ready;
static int own_mutex;
static u64 inside_cycles, outside_cycles;
static volatile u64 counter;

static void delay(u64 cycles) {
  if (cycles == 0) return;
  u64 begin = __builtin_ia32_rdtsc();
  while (__builtin_ia32_rdtsc() - begin < cycles) continue;
}

struct worker {
  u64 operations;
  int cpu;
};

static void *work(void *argument) {
  struct worker *worker = argument;
  u64 n = 0;
  pin(worker->cpu);
  __atomic_add_fetch(&ready, 1, __ATOMIC_RELEASE);
  while (!go) sched_yield();
  while (!halt) {
    if (own_mutex) own_lock();
    else pthread_mutex_lock(&mutex);
    counter++;
    delay(inside_cycles);
    if (own_mutex) own_unlock();
    else pthread_mutex_unlock(&mutex);
    delay(outside_cycles);
    n++;
  }
  worker->operations = n;
  return 0;
}

static void contend(int threads, int cores, int inside_ns, int outside_ns) {
  char params[96];
  struct worker workers[16] = {{0}};
  pthread_t ids[16];
  snprintf(params, sizeof params, "%s threads=%d cores=%s cs=%dns outside=%dns",
           own_mutex ? "own-futex" : "pthread", threads, cores == 1 ? "1" : "2(pinned)", inside_ns,
           outside_ns);
  if (skipped("mutex_contended", params)) return;
  inside_cycles = inside_ns * 2.59615;
  outside_cycles = outside_ns * 2.59615;
  go = halt = ready = 0;
  for (int i = 0; i < threads; i++) {
    workers[i].cpu = cores == 1 ? 0 : i & 1;
    int error = pthread_create(&ids[i], 0, work, &workers[i]);
    if (error == 0) continue;
    unsupported("mutex_contended", params, strerror(error));
    return;
  }
  /* The native program ran for 100 ms, in which starting threads counts for nothing. */
  while (ready < threads) sched_yield();
  u64 begin = tsc_begin();
  go = 1;
  usleep(8000);
  halt = 1;
  u64 sum = 0;
  for (int i = 0; i < threads; i++) {
    pthread_join(ids[i], 0);
    sum += workers[i].operations;
  }
  double sample = (double)(tsc_end() - begin) / (sum != 0 ? sum : 1);
  emit("mutex_contended", params, &sample, 1);
}

static void contended_rows(int use_own) {
  static const int threads[] = {1, 2, 4, 8}, inside[] = {0, 100, 1000};
  own_mutex = use_own;
  for (int cores = 1; cores <= 2; cores++)
    for (int i = 0; i < 4; i++)
      for (int k = 0; k < 3; k++) contend(threads[i], cores, inside[k], 0);
  if (use_own)
    for (int i = 1; i < 4; i++)
      for (int k = 1; k < 3; k++) contend(threads[i], 2, inside[k], 1000);
}

void contended_section(void) { contended_rows(0); }
void own_contended_section(void) { contended_rows(1); }
