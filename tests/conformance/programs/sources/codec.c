/*
 * Byte-oriented work of the kind that real programs do, each with a result that is known:
 * SHA-256, base64, JSON, and deflate with fixed Huffman codes and its inverse.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text that repeats itself unevenly, so that matches of many lengths and distances occur. */
static char *make_text(size_t bytes) {
  static const char *const words[] = {"the",  "cycle", "of",   "a",      "page", "walk",
                                      "ends", "where", "ring", "begins", "and",  "returns"};
  char *text = malloc(bytes + 16);
  size_t length = 0;
  uint32_t state = 12345;
  while (length < bytes) {
    state = state * 1664525u + 1013904223u;
    const char *word = words[(state >> 24) % 12];
    size_t size = strlen(word);
    memcpy(text + length, word, size);
    length += size;
    text[length++] = (state >> 20 & 15) == 0 ? '\n' : ' ';
  }
  text[bytes] = 0;
  return text;
}

/* SHA-256 -------------------------------------------------------------------------------- */

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* First 32 bits of the fractional part of the root of `n` of the given degree, without tables. */
static uint32_t root_fraction(uint32_t n, int degree) {
  unsigned __int128 scaled = (unsigned __int128)n << (degree == 2 ? 64 : 96);
  uint64_t low = 0, high = (uint64_t)1 << 37;
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    unsigned __int128 power = (unsigned __int128)middle * middle;
    int above = degree == 2 ? power > scaled : power > scaled / middle;
    if (above) high = middle;
    else low = middle;
  }
  return (uint32_t)low;
}

static void sha256_block(uint32_t state[8], const uint32_t constants[64], const uint8_t *block) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++) {
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
           (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  }
  for (int i = 16; i < 64; i++) {
    uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(v, state, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
    uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    uint32_t first = v[7] + s1 + choice + constants[i] + w[i];
    uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
    uint32_t second = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[4] += first;
    v[0] = first + second;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

static void print_sha256(const char *name, const char *bytes, size_t length) {
  uint32_t constants[64], state[8];
  int found = 0;
  for (uint32_t n = 2; found < 64; n++) {
    int prime = 1;
    for (uint32_t d = 2; d * d <= n; d++) prime &= n % d != 0;
    if (!prime) continue;
    if (found < 8) state[found] = root_fraction(n, 2);
    constants[found++] = root_fraction(n, 3);
  }
  size_t padded = (length + 9 + 63) / 64 * 64;
  uint8_t *message = calloc(padded, 1);
  memcpy(message, bytes, length);
  message[length] = 0x80;
  for (int i = 0; i < 8; i++) message[padded - 1 - i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
  for (size_t at = 0; at < padded; at += 64) sha256_block(state, constants, message + at);
  free(message);
  printf("%s ", name);
  for (int i = 0; i < 8; i++) printf("%08x", state[i]);
  printf("\n");
}

static int sha256(void) {
  print_sha256("empty", "", 0);
  print_sha256("abc", "abc", 3);
  char *text = make_text(1000);
  print_sha256("text", text, 1000);
  free(text);
  return 0;
}

/* Base64 --------------------------------------------------------------------------------- */

static int base64(void) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t length = 0; length <= 20; length += 4 + (length & 1)) {
    char *text = make_text(length), out[40], back[40];
    size_t size = 0, bytes = 0;
    for (size_t at = 0; at < length; at += 3) {
      uint32_t group = 0;
      for (size_t i = 0; i < 3; i++) group = group << 8 | (at + i < length ? (uint8_t)text[at + i] : 0);
      for (size_t i = 0; i < 4; i++) {
        out[size++] = at + i > length ? '=' : digits[group >> (18 - 6 * i) & 63];
      }
    }
    out[size] = 0;
    for (size_t at = 0; at < size; at += 4) {
      uint32_t group = 0;
      for (size_t i = 0; i < 4; i++) {
        const char *digit = strchr(digits, out[at + i]);
        group = group << 6 | (digit ? (uint32_t)(digit - digits) : 0);
      }
      for (size_t i = 0; i < 3 && bytes < length; i++) back[bytes++] = (char)(group >> (16 - 8 * i));
    }
    printf("%s %s\n", out, memcmp(back, text, length) == 0 ? "ok" : "FAILED");
    free(text);
  }
  return 0;
}

/* JSON: reads a value, prints it again without spaces, sums its numbers. ------------------- */

struct reader {
  const char *at;
  double sum;
  int depth_max;
};

static void skip_space(struct reader *reader) {
  while (*reader->at && strchr(" \t\r\n", *reader->at)) reader->at++;
}

static void copy_string(struct reader *reader) {
  do {
    if (*reader->at == '\\') putchar(*reader->at++);
    putchar(*reader->at++);
  } while (*reader->at != '"');
  putchar(*reader->at++);
}

static void copy_value(struct reader *reader, int depth);

static void copy_members(struct reader *reader, char close, int depth) {
  putchar(*reader->at++);
  skip_space(reader);
  while (*reader->at != close) {
    if (close == '}') {
      copy_string(reader);
      skip_space(reader);
      putchar(*reader->at++);
    }
    copy_value(reader, depth);
    if (*reader->at == ',') putchar(*reader->at++);
    skip_space(reader);
  }
  putchar(*reader->at++);
}

static void copy_value(struct reader *reader, int depth) {
  skip_space(reader);
  if (depth > reader->depth_max) reader->depth_max = depth;
  if (*reader->at == '{') copy_members(reader, '}', depth + 1);
  else if (*reader->at == '[') copy_members(reader, ']', depth + 1);
  else if (*reader->at == '"') copy_string(reader);
  else if (strchr("tfn", *reader->at)) {
    while (*reader->at >= 'a' && *reader->at <= 'z') putchar(*reader->at++);
  } else {
    char *end;
    double number = strtod(reader->at, &end);
    reader->sum += number;
    printf("%.10g", number);
    reader->at = end;
  }
  skip_space(reader);
}

static int json(void) {
  static const char text[] =
      "{ \"name\": \"board \\\"simple\\\"\", \"cycles\": [1, 2.5, -3e2, 1e-7, 123456789],\n"
      "  \"nested\": {\"a\": [[], [[]], {}], \"b\": [true, false, null, \"\\u00e9\\n\"]},\n"
      "  \"empty\": \"x\", \"pi\": 3.14159265358979 }";
  struct reader reader = {text, 0, 0};
  copy_value(&reader, 0);
  printf("\nsum %.10g depth %d rest %zu\n", reader.sum, reader.depth_max, strlen(reader.at));
  return 0;
}

/* Deflate (RFC 1951) with fixed codes ------------------------------------------------------ */

struct bits {
  uint8_t *bytes;
  size_t position; /* in bits */
};

static void put_bits(struct bits *out, uint32_t value, int count) {
  for (int i = 0; i < count; i++, out->position++) {
    out->bytes[out->position >> 3] |= (uint8_t)((value >> i & 1) << (out->position & 7));
  }
}

static uint32_t get_bits(struct bits *in, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; i++, in->position++) {
    value |= (uint32_t)(in->bytes[in->position >> 3] >> (in->position & 7) & 1) << i;
  }
  return value;
}

/* Huffman codes go most significant bit first. */
static void put_code(struct bits *out, uint32_t code, int count) {
  for (int i = count - 1; i >= 0; i--) put_bits(out, code >> i & 1, 1);
}

static void put_symbol(struct bits *out, int symbol) {
  if (symbol < 144) put_code(out, 0x30 + (uint32_t)symbol, 8);
  else if (symbol < 256) put_code(out, 0x190 + (uint32_t)symbol - 144, 9);
  else if (symbol < 280) put_code(out, (uint32_t)symbol - 256, 7);
  else put_code(out, 0xc0 + (uint32_t)symbol - 280, 8);
}

static int get_symbol(struct bits *in) {
  uint32_t code = 0;
  for (int i = 0; i < 7; i++) code = code << 1 | get_bits(in, 1);
  if (code < 24) return (int)code + 256;
  code = code << 1 | get_bits(in, 1);
  if (code >= 0x30 && code < 0xc0) return (int)code - 0x30;
  if (code >= 0xc0 && code < 0xc8) return (int)code - 0xc0 + 280;
  code = code << 1 | get_bits(in, 1);
  return (int)code - 0x190 + 144;
}

/* Base and extra bits of a length or distance symbol, from the regular rule of RFC 1951. */
static void extra_of(int symbol, int step, int first, int *base, int *extra) {
  *extra = symbol < 2 * step ? 0 : symbol / step - 1;
  *base = first;
  for (int i = 0; i < symbol; i++) *base += 1 << (i < 2 * step ? 0 : i / step - 1);
}

static void put_number(struct bits *out, int value, int step, int first, int is_length) {
  int symbol = 0, base, extra;
  do extra_of(++symbol, step, first, &base, &extra);
  while (base <= value && symbol < 30);
  extra_of(--symbol, step, first, &base, &extra);
  if (is_length) put_symbol(out, 257 + symbol);
  else put_code(out, (uint32_t)symbol, 5);
  put_bits(out, (uint32_t)(value - base), extra);
}

static int get_number(struct bits *in, int symbol, int step, int first) {
  int base, extra;
  extra_of(symbol, step, first, &base, &extra);
  return base + (int)get_bits(in, extra);
}

enum { MATCH_MIN = 3, MATCH_MAX = 257, DISTANCE_MAX = 4096 };

static size_t compress(const char *text, int length, uint8_t *bytes) {
  struct bits out = {bytes, 0};
  put_bits(&out, 1, 1), put_bits(&out, 1, 2);
  static int last[4096];
  memset(last, -1, sizeof last);
  for (int at = 0; at < length;) {
    int match = 0, hash = 0;
    if (at + MATCH_MIN <= length) {
      hash = ((text[at] << 8 ^ text[at + 1] << 4 ^ text[at + 2]) * 2654435761u) >> 20;
      int from = last[hash];
      last[hash] = at;
      if (from >= 0 && at - from <= DISTANCE_MAX) {
        while (match < MATCH_MAX && at + match < length && text[from + match] == text[at + match]) match++;
        if (match >= MATCH_MIN) {
          put_number(&out, match, 4, MATCH_MIN, 1);
          put_number(&out, at - from, 2, 1, 0);
        }
      }
    }
    if (match < MATCH_MIN) put_symbol(&out, (uint8_t)text[at]), match = 1;
    at += match;
  }
  put_symbol(&out, 256);
  return (out.position + 7) / 8;
}

static int inflate(uint8_t *bytes, char *text) {
  struct bits in = {bytes, 3};
  int length = 0;
  for (int symbol; (symbol = get_symbol(&in)) != 256;) {
    if (symbol < 256) {
      text[length++] = (char)symbol;
      continue;
    }
    int match = get_number(&in, symbol - 257, 4, MATCH_MIN);
    uint32_t code = 0;
    for (int i = 0; i < 5; i++) code = code << 1 | get_bits(&in, 1);
    int distance = get_number(&in, (int)code, 2, 1);
    for (int i = 0; i < match; i++, length++) text[length] = text[length - distance];
  }
  return length;
}

static int deflate(void) {
  enum { BYTES = 1500 };
  char *text = make_text(BYTES), *back = malloc(BYTES + 300);
  uint8_t *packed = calloc(2 * BYTES, 1);
  size_t size = compress(text, BYTES, packed);
  int length = inflate(packed, back);
  uint32_t sum = 0;
  for (size_t i = 0; i < size; i++) sum = sum * 31 + packed[i];
  printf("%d bytes, %zu packed, sum %08x, %s\n", BYTES, size, sum,
         length == BYTES && memcmp(text, back, BYTES) == 0 ? "ok" : "FAILED");
  free(text), free(back), free(packed);
  return 0;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(void);
  } jobs[] = {{"sha256", sha256}, {"base64", base64}, {"json", json}, {"deflate", deflate}};
  for (unsigned i = 0; argc > 1 && i < sizeof jobs / sizeof jobs[0]; i++) {
    if (strcmp(argv[1], jobs[i].name) == 0) return jobs[i].run();
  }
  fprintf(stderr, "usage: codec sha256|base64|json|deflate\n");
  return 2;
}
