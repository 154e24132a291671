/* zlib at every level over text and noise: compressed sizes, checksums, and the way back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BYTES = 100000 };

static unsigned char input[BYTES], packed[BYTES + 1000], back[BYTES];

static void fill(int noise) {
  unsigned state = 1;
  for (int i = 0; i < BYTES; i++) {
    state = state * 1664525u + 1013904223u;
    input[i] = noise || (state >> 28) == 0 ? (unsigned char)(state >> 16) : input[i > 37 ? i - 37 : 0];
  }
}

int main(void) {
  for (int noise = 0; noise < 2; noise++) {
    fill(noise);
    printf("crc32 %08lx adler32 %08lx\n", crc32(0, input, BYTES), adler32(1, input, BYTES));
    for (int level = 0; level <= 9; level += 3) {
      uLongf size = sizeof packed, length = sizeof back;
      int stored = compress2(packed, &size, input, BYTES, level);
      int restored = uncompress(back, &length, packed, size);
      int same = length == BYTES && memcmp(input, back, BYTES) == 0;
      printf("level %d: %d %lu %08lx %d %s\n", level, stored, size, crc32(0, packed, (uInt)size),
             restored, same ? "ok" : "FAILED");
    }
  }
  return 0;
}
