/* Working sets, TLB reach, bandwidth, page faults and protection changes. */
#include "measure.h"
#include <emmintrin.h>

/*
 * The reference walked a list about ten times before the round that is its median, which matters
 * where the last level slowly loses lines to others. Much longer lists are warm after so many steps.
 */
#define WARM_LAPS 10
#define WARM_STEPS 900000
#define LONG_BATCH (BATCH * 20)

static u64 seed = 0x9E3779B97F4A7C15ull;
static void *volatile current;

static void touch(char *begin, size_t bytes, size_t step) {
  for (size_t i = 0; i < bytes; i += step) ((volatile char *)begin)[i] = 1;
}

static long warm_steps(long nodes) {
  return WARM_LAPS * nodes < WARM_STEPS ? WARM_LAPS * nodes : WARM_STEPS;
}

static void chase(long n, void *argument) {
  void **p = (void **)current;
  (void)argument;
  for (long i = 0; i < n; i++) p = (void **)*p;
  current = p;
}

/* Links nodes at the given places, in units of 64 bytes, in a random cyclic order. */
static void link_nodes(char *base, u32 *places, long n) {
  for (long i = n - 1; i > 0; i--) {
    long j = xorshift(&seed) % i;
    u32 place = places[i];
    places[i] = places[j];
    places[j] = place;
  }
  for (long i = 0; i < n; i++)
    *(void **)(base + (u64)places[i] * 64) = base + (u64)places[(i + 1) % n] * 64;
  current = base + (u64)places[0] * 64;
}

static void bench_chase(const char *name, const char *params, long n) {
  chase(warm_steps(n), 0);
  bench_batches(name, params, chase, 0, BATCHES, n > 8192 ? LONG_BATCH : BATCH * 4);
}

static void chase_rows(int huge) {
  const char *name = "pointer_chase";
  size_t bytes_max = (size_t)megabytes_max << 20;
  for (size_t size = 4096; size <= bytes_max; size *= 2) {
    for (int half = 0; half < 2; half++) {
      size_t bytes = half ? size + size / 2 : size;
      if (bytes > bytes_max || (half && size >= (64 << 20))) continue;
      char params[64];
      snprintf(params, sizeof params, "ws=%zuK %s", bytes >> 10, huge ? "2M" : "4K");
      if (skipped(name, params)) continue;
      char *base = map_memory(bytes < (2 << 20) ? 2 << 20 : bytes, huge);
      long n = bytes / 64;
      u32 *places = malloc(n * sizeof *places);
      if (base == NULL || places == NULL) {
        unsupported(name, params, "no memory");
        return;
      }
      for (long i = 0; i < n; i++) places[i] = i;
      link_nodes(base, places, n);
      free(places);
      bench_chase(name, params, n);
      munmap(base, bytes < (2 << 20) ? 2 << 20 : bytes);
    }
  }
}

void chase_section(void) { chase_rows(0); }
void huge_chase_section(void) { chase_rows(1); }

static void **pointers;
static long pointer_count;

static void load_independent(long n, void *argument) {
  static long position = 0;
  u64 sum = 0;
  long p = position;
  (void)argument;
  if (p >= pointer_count) p = 0;
  for (long i = 0; i < n; i++) {
    sum += *(u64 *)pointers[p];
    if (++p == pointer_count) p = 0;
  }
  position = p;
  asm volatile("" ::"r"(sum));
}

static void bench_independent(const char *params, char *base, const u32 *places, long n) {
  if (skipped("tlb_one_line_per_page", params)) return;
  pointer_count = n;
  pointers = malloc(n * sizeof *pointers);
  for (long i = 0; i < n; i++) pointers[i] = base + (u64)places[i] * 64;
  load_independent(warm_steps(n), 0);
  bench_batches("tlb_one_line_per_page", params, load_independent, 0, BATCHES,
                n > 8192 ? LONG_BATCH : BATCH * 4);
  free(pointers);
}

/* One line of each page, its place hashed so that the sets of the caches are used evenly. */
static void tlb_rows(long n, int huge) {
  const char *backing = huge ? "2M-backed" : "4K";
  char dependent[80], independent[80], compact[80];
  snprintf(dependent, sizeof dependent, "pages=%ld dep %s", n, backing);
  snprintf(independent, sizeof independent, "pages=%ld indep %s", n, backing);
  snprintf(compact, sizeof compact, "lines=%ld dep compact 2M-backed", n);
  const char *name = "tlb_one_line_per_page", *control = "tlb_compact_control";
  if (skipped(name, dependent) && skipped(name, independent) && skipped(control, compact)) return;
  size_t bytes = n * 4096ul;
  if (bytes < (2 << 20)) bytes = 2 << 20;
  char *base = map_memory(bytes, huge);
  u32 *places = malloc(n * sizeof *places);
  if (base == NULL || places == NULL) {
    unsupported(name, dependent, "no memory");
    return;
  }
  touch(base, bytes, 4096);
  for (long i = 0; i < n; i++) places[i] = i * 64 + ((i * 37 + (i >> 6) * 11) & 63);
  link_nodes(base, places, n);
  if (!skipped(name, dependent)) bench_chase(name, dependent, n);
  bench_independent(independent, base, places, n);
  if (huge && !skipped(control, compact)) {
    for (long i = 0; i < n; i++) places[i] = i;
    link_nodes(base, places, n);
    bench_chase(control, compact, n);
  }
  free(places);
  munmap(base, bytes);
}

static const long PAGES[] = {16,   32,   48,   64,   72,   80,    96,    128,   256,    512,    1024,
                             1536, 2048, 3072, 4096, 6144, 8192, 16384, 32768, 65536, 131072, 262144};

static void all_tlb_rows(int huge) {
  for (size_t i = 0; i < sizeof PAGES / sizeof *PAGES; i++)
    if (PAGES[i] <= megabytes_max * 256) tlb_rows(PAGES[i], huge);
}

void tlb_section(void) { all_tlb_rows(0); }
void huge_tlb_section(void) { all_tlb_rows(1); }

void huge_page_tlb_section(void) {
  static const long counts[] = {16, 32, 64, 72, 96, 128, 256, 512, 1024};
  const char *name = "tlb2m_one_line_per_2M";
  for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
    long n = counts[k];
    char params[64];
    snprintf(params, sizeof params, "2Mpages=%ld dep", n);
    if (n > megabytes_max / 2 || skipped(name, params)) continue;
    size_t bytes = n * (2ul << 20);
    char *base = map_memory(bytes, 1);
    u32 *places = malloc(n * sizeof *places);
    if (base == NULL || places == NULL) {
      unsupported(name, params, "no memory");
      return;
    }
    for (long i = 0; i < n; i++)
      places[i] = i * 32768 + ((i * 37 + (i >> 6) * 11 + i * 641) & 32767);
    link_nodes(base, places, n);
    free(places);
    bench_chase(name, params, n);
    munmap(base, bytes);
  }
}

static char *source, *target;
static size_t block_bytes;

OPERATION(copy_block, memcpy(target, source, block_bytes))
OPERATION(fill_block, memset(target, i, block_bytes))

/* The native row used 32-byte loads (AVX2); 16-byte ones are what x86-64-v1 has. */
static void read_block(long n, void *argument) {
  (void)argument;
  for (long i = 0; i < n; i++) {
    __m128i x = _mm_setzero_si128(), y = x;
    for (size_t k = 0; k < block_bytes; k += 64) {
      x = _mm_xor_si128(x, _mm_load_si128((void *)(source + k)));
      y = _mm_xor_si128(y, _mm_load_si128((void *)(source + k + 16)));
      x = _mm_xor_si128(x, _mm_load_si128((void *)(source + k + 32)));
      y = _mm_xor_si128(y, _mm_load_si128((void *)(source + k + 48)));
    }
    asm volatile("" ::"x"(_mm_xor_si128(x, y)));
  }
}

static void stream_block(long n, void *argument) {
  __m128i z = _mm_set1_epi8(3);
  (void)argument;
  for (long i = 0; i < n; i++) {
    for (size_t k = 0; k < block_bytes; k += 64)
      for (size_t part = 0; part < 64; part += 16)
        _mm_stream_si128((void *)(target + k + part), z);
    _mm_sfence();
  }
}

void bandwidth_section(void) {
  static const size_t sizes[] = {16 << 10, 256 << 10, 4 << 20, 16 << 20, 256 << 20};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    block_bytes = sizes[k];
    if (block_bytes > (size_t)megabytes_max << 20) continue;
    size_t bytes = block_bytes < (2 << 20) ? 2 << 20 : block_bytes;
    source = map_memory(bytes, 1);
    target = map_memory(bytes, 1);
    if (source == NULL || target == NULL) {
      unsupported("bw_memcpy", "", "no memory");
      return;
    }
    touch(source, bytes, 4096);
    touch(target, bytes, 4096);
    char params[40];
    snprintf(params, sizeof params, "%zuK (cyc per call)", block_bytes >> 10);
    int batches = block_bytes > (1 << 20) ? 2 : BATCHES;
    bench_batches("bw_memcpy", params, copy_block, 0, batches, BATCH * 4);
    bench_batches("bw_memset", params, fill_block, 0, batches, BATCH * 4);
    bench_batches("bw_read_avx2", params, read_block, 0, batches, BATCH * 4);
    bench_batches("bw_ntstore", params, stream_block, 0, batches, BATCH * 4);
    munmap(source, bytes);
    munmap(target, bytes);
  }
}

static void fault_rows(const char *params, int huge, size_t bytes, int repeats, int write) {
  const char *name = write ? "fault_first_touch" : "fault_read_zero_page";
  size_t step = huge ? 2 << 20 : 4096;
  char after[96];
  snprintf(after, sizeof after, "after %s: %s", write ? "write" : "zero-page read", params);
  if ((skipped(name, params) && skipped("munmap_per_page", after)) ||
      bytes > (size_t)megabytes_max << 20)
    return;
  double touching[64], unmapping[64];
  long n = bytes / step;
  for (int repeat = 0; repeat < repeats; repeat++) {
    char *base = map_memory(bytes, huge);
    if (base == NULL) {
      unsupported(name, params, "no memory");
      return;
    }
    u64 begin = tsc_begin();
    for (size_t i = 0; i < bytes; i += step) {
      if (write) ((volatile char *)base)[i] = 1;
      else (void)((volatile char *)base)[i];
    }
    touching[repeat] = (double)(tsc_end() - begin) / n;
    begin = tsc_begin();
    munmap(base, bytes);
    unmapping[repeat] = (double)(tsc_end() - begin) / n;
  }
  emit(name, params, touching, repeats);
  emit("munmap_per_page", after, unmapping, repeats);
}

void fault_section(void) {
  fault_rows("4K 1MiB (recycled pages)", 0, 1 << 20, 9, 1);
  fault_rows("4K 64MiB (recycled pages)", 0, 64 << 20, 2, 1);
  fault_rows("4K 64MiB", 0, 64 << 20, 2, 0);
  fault_rows("2M THP 64MiB (cyc per 2M fault)", 1, 64 << 20, 2, 1);
  fault_rows("2M THP 512MiB (cyc per 2M fault)", 1, 512 << 20, 1, 1);
}

static char *flipped;
static size_t flipped_bytes;
OPERATION(flip, mprotect(flipped, flipped_bytes, PROT_READ);
          mprotect(flipped, flipped_bytes, PROT_READ | PROT_WRITE))
OPERATION(flip_touch, mprotect(flipped, flipped_bytes, PROT_READ);
          mprotect(flipped, flipped_bytes, PROT_READ | PROT_WRITE);
          touch(flipped, flipped_bytes, 4096))

static void flip_rows(const char *tag) {
  static const size_t pages[] = {1, 16, 32, 64, 256, 4096};
  for (size_t k = 0; k < sizeof pages / sizeof *pages; k++) {
    char params[96], touching[96];
    snprintf(params, sizeof params, "%zu pages, RO+RW pair, %s", pages[k], tag);
    snprintf(touching, sizeof touching, "%zu pages, RO+RW pair + touch all, %s", pages[k], tag);
    if (skipped("mprotect_flip", params) && skipped("mprotect_flip", touching)) continue;
    flipped_bytes = pages[k] * 4096;
    size_t bytes = flipped_bytes < (2 << 20) ? 2 << 20 : flipped_bytes;
    flipped = map_memory(bytes, 0);
    touch(flipped, flipped_bytes, 4096);
    bench("mprotect_flip", params, flip, 0);
    bench("mprotect_flip", touching, flip_touch, 0);
    munmap(flipped, bytes);
  }
}

void mprotect_section(void) { flip_rows("1 thread"); }

static volatile int stop;

static void *spin(void *argument) {
  volatile u64 k = 0;
  pin(1);
  while (!stop) k++;
  return argument;
}

void shootdown_section(void) {
  const char *tag = "2nd thread spinning on cpu1 (remote shootdown)";
  pthread_t thread;
  int error = pthread_create(&thread, 0, spin, 0);
  if (error != 0) {
    unsupported("mprotect_flip", tag, strerror(error));
    return;
  }
  usleep(3000);
  flip_rows(tag);
  stop = 1;
  pthread_join(thread, 0);
}
