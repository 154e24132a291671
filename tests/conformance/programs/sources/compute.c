/* Computations whose printed results differ if any instruction is wrong. */
#define _GNU_SOURCE
#include "tour.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static uint64_t next(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return *state * 2685821657736338717u;
}

static uint64_t mix(uint64_t hash, uint64_t value) { return (hash ^ value) * 1099511628211u; }

static int ascending(const void *a, const void *b) {
  int left = *(const int *)a, right = *(const int *)b;
  return (left > right) - (left < right);
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

int stop_sort(int argc, char **argv) {
  static int numbers[400];
  uint64_t state = 42, hash = 14695981039346656037u;
  for (int i = 0; i < 400; i++) numbers[i] = (int)next(&state) % 10000;
  qsort(numbers, 400, sizeof numbers[0], ascending);
  int ordered = 1;
  for (int i = 0; i < 400; i++) {
    if (i > 0) ordered &= numbers[i - 1] <= numbers[i];
    hash = mix(hash, (uint64_t)numbers[i]);
  }
  check("numbers are in order", ordered);
  printf("sorted %016llx first %d last %d\n", (unsigned long long)hash, numbers[0], numbers[399]);
  int key = numbers[177];
  int *found = bsearch(&key, numbers, 400, sizeof numbers[0], ascending);
  check("bsearch finds", found && *found == key);
  qsort(argv, (size_t)argc, sizeof argv[0], by_text);
  for (int i = 0; i < argc; i++) printf("%s%s", argv[i], i + 1 < argc ? " " : "\n");
  return failures();
}

static uint64_t hash_text(const char *text) {
  uint64_t hash = 14695981039346656037u;
  while (*text) hash = mix(hash, (unsigned char)*text++);
  return hash;
}

/* Every length and alignment from 0 to 63, where vector loops have their edges. */
static void lengths_and_alignments(void) {
  static char source[256], target[256];
  uint64_t hash = 0;
  for (int align = 0; align < 64; align += 9) {
    for (int length = 0; length < 64; length++) {
      memset(source, 0, sizeof source);
      memset(source + align, 'a' + length % 26, (size_t)length);
      source[align + length / 2] = length ? 'Z' : 0;
      memset(target, '.', sizeof target);
      memcpy(target + 7, source + align, (size_t)length + 1);
      memmove(target + 5, target + 7, (size_t)length + 1);
      hash = mix(hash, strlen(source + align));
      hash = mix(hash, (uint64_t)(strchr(target + 5, 'Z') ? strchr(target + 5, 'Z') - target : 999));
      hash = mix(hash, (uint64_t)memcmp(source + align, target + 5, (size_t)length) == 0);
      hash = mix(hash, memchr(target, 0, sizeof target) != 0);
      hash = mix(hash, strnlen(source + align, 17));
      hash = mix(hash, hash_text(target + 5));
    }
  }
  printf("lengths and alignments %016llx\n", (unsigned long long)hash);
}

int stop_strings(int argc, char **argv) {
  (void)argc, (void)argv;
  char text[128] = "The quick brown fox";
  strcat(text, " jumps over");
  strncat(text, " the lazy dog and more", 13);
  printf("%s|%zu\n", text, strlen(text));
  printf("strstr %s|strrchr %s|strpbrk %s\n", strstr(text, "brown"), strrchr(text, 'o'),
         strpbrk(text, "xyz"));
  printf("strspn %zu strcspn %zu\n", strspn(text, "The quick"), strcspn(text, "bx"));
  int words = 0;
  char copy[128];
  strcpy(copy, text);
  for (char *word = strtok(copy, " "); word; word = strtok(0, " ")) words++;
  printf("words %d\n", words);
  for (char *p = text; *p; p++) *p = (char)toupper((unsigned char)*p);
  printf("%s\n", text);
  printf("compare %d %d %d\n", strcmp("abc", "abd") < 0, strncmp("abcd", "abce", 3),
         strcasecmp("HeLLo", "hEllO"));
  printf("numbers %ld %lu %d %lld\n", strtol("-12345xyz", 0, 10), strtoul("ff", 0, 16), atoi(" 99"),
         strtoll("-9223372036854775808", 0, 10));
  char out[64];
  int needed = snprintf(out, 10, "%s", "truncated here");
  printf("snprintf %s %d\n", out, needed);
  int a = 0, b = 0;
  char name[16] = "";
  int fields = sscanf("17 0x1f name", "%d %i %15s", &a, &b, name);
  printf("sscanf %d: %d %d %s\n", fields, a, b, name);
  lengths_and_alignments();
  return 0;
}

int stop_doubles(int argc, char **argv) {
  (void)argc, (void)argv;
  static const double values[] = {0.0, -0.0, 1.0, -1.5, 0.1, 1.0 / 3, 1e-5, 123456.789, 1e21, 1e22,
                                  5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.5, 2.5};
  for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
    double x = values[i];
    printf("%f %g %e %a %.17g %.0f\n", x, x, x, x, x, x);
  }
  volatile double zero = 0;
  printf("%f %f %d\n", 1 / zero, -1 / zero, zero / zero != zero / zero);
  printf("strtod %.17g %.17g %.17g %g\n", strtod("0.1", 0), strtod("1e308", 0),
         strtod("3.14159265358979323846", 0), strtod("0x1.8p3", 0));
  printf("math %.17g %.17g %.17g %.17g\n", sqrt(2.0), floor(-1.5), ceil(1.2), fabs(-3.0));
  uint64_t state = 7, hash = 0;
  double sum = 0;
  for (int i = 0; i < 300; i++) {
    double x = (double)(int64_t)next(&state) / 1e9, y = (double)(float)x;
    sum += x * y - x / (y + 1);
    hash = mix(hash, (uint64_t)(int64_t)(y / 7) + (uint64_t)(int)(float)(x / 1e3) + (x < y) * 2u);
  }
  printf("sum %.17g hash %016llx\n", sum, (unsigned long long)hash);
  return 0;
}

int stop_long_double(int argc, char **argv) {
  (void)argc, (void)argv;
  volatile long double third = 1.0L / 3, big = 1e400L, x = 3;
  printf("%.20Lf %Lg %La\n", third, big, third);
  long double sum = 0;
  for (int i = 1; i <= 50; i++) sum += x / i - third * i;
  printf("%.18Lg %d %lld\n", sum, sum < third, (long long)(sum * 1000));
  printf("%.18Lg %.18Lg\n", fabsl(-third), (long double)(unsigned long long)-1);
  printf("%.18Lg\n", strtold("0.1", 0));
  return 0;
}

/* 128-bit products and quotients, shifts by variable counts, bit scans, rotations. */
int stop_wide(int argc, char **argv) {
  (void)argc, (void)argv;
  uint64_t state = 99, hash = 14695981039346656037u;
  for (int i = 0; i < 600; i++) {
    uint64_t a = next(&state), b = next(&state) >> (i & 63), c = next(&state) | 1;
    unsigned shift = (unsigned)(a & 63);
    unsigned __int128 product = (unsigned __int128)a * b;
    __int128 signed_product = (__int128)(int64_t)a * (int64_t)b;
    hash = mix(hash, (uint64_t)(product >> 64) ^ (uint64_t)(signed_product >> 64));
    hash = mix(hash, (uint64_t)(product / c) + (uint64_t)(product % c));
    hash = mix(hash, (uint64_t)((int64_t)a / (int64_t)c) + (uint64_t)((int64_t)a % (int64_t)c));
    hash = mix(hash, a << shift | a >> (-shift & 63));
    hash = mix(hash, (uint64_t)((int64_t)a >> shift) + (uint64_t)(product >> shift));
    hash = mix(hash, (uint64_t)__builtin_popcountll(a) + (uint64_t)__builtin_ctzll(c << (i & 31)) +
                         (uint64_t)__builtin_clzll(c) + __builtin_bswap64(a));
    uint64_t carry;
    hash = mix(hash, (uint64_t)__builtin_add_overflow(a, c, &carry) + carry);
    hash = mix(hash, (uint64_t)((int16_t)a * (int8_t)b + (uint16_t)c / ((uint8_t)a | 1)));
  }
  printf("wide %016llx\n", (unsigned long long)hash);
  return 0;
}

/* CRC-32, Adler-32 and a sieve: tight loops over bytes. */
int stop_hash(int argc, char **argv) {
  (void)argc, (void)argv;
  static unsigned char buffer[16384];
  uint64_t state = 3;
  for (unsigned i = 0; i < sizeof buffer; i++) buffer[i] = (unsigned char)next(&state);
  uint32_t table[256], crc = 0xffffffff, low = 1, high = 0;
  for (uint32_t i = 0; i < 256; i++) {
    table[i] = i;
    for (int bit = 0; bit < 8; bit++) table[i] = table[i] >> 1 ^ (-(table[i] & 1) & 0xedb88320u);
  }
  for (unsigned i = 0; i < sizeof buffer; i++) {
    crc = crc >> 8 ^ table[(crc ^ buffer[i]) & 255];
    low = (low + buffer[i]) % 65521, high = (high + low) % 65521;
  }
  static unsigned char composite[20000];
  int primes = 0;
  for (int i = 2; i < 20000; i++) {
    if (composite[i]) continue;
    primes++;
    for (int j = 2 * i; j < 20000; j += i) composite[j] = 1;
  }
  printf("crc %08x adler %04x%04x primes %d\n", ~crc, high, low, primes);
  return 0;
}
