/* Instructions, branches, string instructions and uncontended locks. */
#include "measure.h"

static void dependent_adds(long n, void *argument) {
  u64 x = 1;
  (void)argument;
  for (long i = 0; i < n; i++)
    asm volatile(
        "add %0,%0\n add %0,%0\n add %0,%0\n add %0,%0\n add %0,%0\n add %0,%0\n add %0,%0\n "
        "add %0,%0\n add %0,%0\n add %0,%0\n"
        : "+r"(x));
}

static void wide_adds(long n, void *argument) {
  u64 x = 1, y = 1, z = 1, w = 1;
  (void)argument;
  for (long i = 0; i < n; i++)
    asm volatile(
        "add $1,%0\n add $1,%1\n add $1,%2\n add $1,%3\n add $1,%0\n add $1,%1\n add $1,%2\n "
        "add $1,%3\n"
        : "+r"(x), "+r"(y), "+r"(z), "+r"(w));
}

static void multiply(long n, void *argument) {
  u64 x = 3;
  (void)argument;
  for (long i = 0; i < n; i++) asm volatile("imul %0,%0" : "+r"(x));
}

static void divide(long n, void *argument) {
  u64 quotient = ~0ull >> 3, remainder = 0, divisor = 7;
  (void)argument;
  for (long i = 0; i < n; i++) {
    asm volatile("xor %%edx,%%edx\n div %2" : "+a"(quotient), "=d"(remainder) : "r"(divisor));
    quotient |= 1ull << 60;
  }
}

OPERATION(nothing, asm volatile(""))
OPERATION(rdtsc, asm volatile("rdtsc" ::: "eax", "edx"))
OPERATION(rdtscp, asm volatile("rdtscp" ::: "eax", "edx", "ecx"))
OPERATION(lfence_rdtsc, asm volatile("lfence\n rdtsc" ::: "eax", "edx"))
OPERATION(cpuid,
          asm volatile("xor %%eax,%%eax\n xor %%ecx,%%ecx\n cpuid" ::: "eax", "ebx", "ecx", "edx"))
OPERATION(lfence, asm volatile("lfence" ::: "memory"))
OPERATION(pause_once, asm volatile("pause"))

static void store_mfence(long n, void *argument) {
  u64 cell;
  (void)argument;
  for (long i = 0; i < n; i++) asm volatile("movq $1,%0\n mfence" : "=m"(cell)::"memory");
}

static void exchange_add(long n, void *argument) {
  static u64 cell;
  (void)argument;
  for (long i = 0; i < n; i++) __sync_fetch_and_add(&cell, 1);
}

static void compare_exchange(long n, void *argument) {
  static u64 cell;
  u64 expected = 0;
  (void)argument;
  for (long i = 0; i < n; i++) {
    __sync_bool_compare_and_swap(&cell, expected, expected + 1);
    expected++;
  }
  cell = 0;
}

static void store_forward(long n, void *argument) {
  static volatile u64 cell;
  (void)argument;
  for (long i = 0; i < n; i++) cell = cell + 1;
}

static void write_fs_base(long n, void *argument) {
  u64 base;
  (void)argument;
  asm volatile("rdfsbase %0" : "=r"(base));
  for (long i = 0; i < n; i++) asm volatile("wrfsbase %0" ::"r"(base));
}

static void read_pid(long n, void *argument) {
  u64 x;
  (void)argument;
  for (long i = 0; i < n; i++) asm volatile("rdpid %0" : "=r"(x));
}

static void load_limit(long n, void *argument) {
  u64 x;
  (void)argument;
  for (long i = 0; i < n; i++) asm volatile("lsl %1,%0" : "=r"(x) : "r"(0x7bul));
}

void core_section(void) {
  bench("empty_loop", "", nothing, 0);
  bench("insn_10_dependent_adds", "10 core cycles by definition (+loop overlapped)",
        dependent_adds, 0);
  bench("insn_imul_dep", "3 core cycles", multiply, 0);
  bench("insn_div64", "", divide, 0);
  bench("insn_rdtsc", "", rdtsc, 0);
  bench("insn_rdtscp", "", rdtscp, 0);
  bench("insn_lfence_rdtsc", "", lfence_rdtsc, 0);
  bench("insn_cpuid_vmexit", "cpuid always exits to the hypervisor", cpuid, 0);
  bench("insn_lfence", "", lfence, 0);
  bench("insn_store_mfence", "", store_mfence, 0);
  bench("insn_pause", "", pause_once, 0);
  bench("insn_lock_xadd", "", exchange_add, 0);
  bench("insn_lock_cmpxchg", "", compare_exchange, 0);
  bench("insn_store_load_forward", "", store_forward, 0);
  bench("insn_rdpid", "", read_pid, 0);
  bench("insn_lsl", "", load_limit, 0);
  bench("smt_probe_add_chain", "sibling idle", dependent_adds, 0);
  bench("smt_probe_4wide_add", "8 adds, sibling idle", wide_adds, 0);
  /* Last: these may end in a signal where the instruction is not offered. */
  bench("insn_wrfsbase", "", write_fs_base, 0);
}

#define NOISE_BYTES (1 << 20)
static unsigned char *noise;

static void branch_pattern(long n, void *argument) {
  long period = (long)argument;
  u64 sum = 0;
  for (long i = 0; i < n; i++) {
    unsigned char c = noise[i & (period - 1)];
    asm volatile("test $1,%b1\n jz 1f\n add $3,%0\n imul $5,%0,%0\n1:" : "+r"(sum) : "q"(c));
  }
  asm volatile("" ::"r"(sum));
}

static int add_1(int x) { return x + 1; }
static int add_2(int x) { return x + 2; }
static int add_3(int x) { return x + 3; }
static int add_4(int x) { return x + 4; }
static int (*volatile targets[4])(int) = {add_1, add_2, add_3, add_4};

static void one_target(long n, void *argument) {
  int x = 0;
  (void)argument;
  for (long i = 0; i < n; i++) x = targets[0](x);
  asm volatile("" ::"r"(x));
}

static void random_target(long n, void *argument) {
  int x = 0;
  (void)argument;
  for (long i = 0; i < n; i++) x = targets[noise[i & 0xffff] & 3](x);
  asm volatile("" ::"r"(x));
}

void branch_section(void) {
  u64 seed = 88172645463325252ull;
  noise = malloc(NOISE_BYTES);
  for (int i = 0; i < NOISE_BYTES; i++) noise[i] = xorshift(&seed) >> 33;
  /* As long batches as the native row had: how much of a pattern is learnt depends on it. */
  double cycles = BATCH * 10;
  bench("branch_pattern", "len=16 (predictable)", branch_pattern, (void *)16);
  bench_batches("branch_pattern", "len=1048576 (random)", branch_pattern, (void *)NOISE_BYTES, 9,
                cycles);
  bench("indirect_call", "1 target", one_target, 0);
  bench_batches("indirect_call", "random 4 targets", random_target, 0, 3, cycles);
}

static char from[65536] __attribute__((aligned(64))), to[65536] __attribute__((aligned(64)));

static void copy_bytes(long n, void *argument) {
  for (long i = 0; i < n; i++) {
    void *source = from, *target = to;
    long count = (long)argument;
    asm volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count)::"memory");
  }
}

static void fill_bytes(long n, void *argument) {
  for (long i = 0; i < n; i++) {
    void *target = to;
    long count = (long)argument;
    asm volatile("rep stosb" : "+D"(target), "+c"(count) : "a"(0) : "memory");
  }
}

void string_section(void) {
  for (long bytes = 64; bytes <= 65536; bytes *= 4) {
    char params[32];
    snprintf(params, sizeof params, "bytes=%ld", bytes);
    bench("rep_movsb", params, copy_bytes, (void *)bytes);
    bench("rep_stosb", params, fill_bytes, (void *)bytes);
  }
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spinlock;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
OPERATION(lock_mutex, pthread_mutex_lock(&mutex); pthread_mutex_unlock(&mutex))
OPERATION(lock_spin, pthread_spin_lock(&spinlock); pthread_spin_unlock(&spinlock))
OPERATION(lock_rwlock, pthread_rwlock_rdlock(&rwlock); pthread_rwlock_unlock(&rwlock))
OPERATION(signal_condition, pthread_cond_signal(&condition))

static void *leave(void *argument) { return argument; }

void locks_section(void) {
  pthread_spin_init(&spinlock, 0);
  bench("mutex_uncontended", "pthread lock+unlock", lock_mutex, 0);
  bench("spinlock_uncontended", "pthread lock+unlock", lock_spin, 0);
  bench("rwlock_uncontended", "rdlock+unlock", lock_rwlock, 0);
  bench("cond_signal_no_waiter", "", signal_condition, 0);
  const char *params = "pthread lock+unlock, process has become multi-threaded";
  pthread_t thread;
  int error = pthread_create(&thread, 0, leave, 0);
  if (error != 0) {
    unsupported("mutex_uncontended", params, strerror(error));
    return;
  }
  pthread_join(thread, 0);
  bench("mutex_uncontended", params, lock_mutex, 0);
}
