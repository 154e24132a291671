/* Descriptors: pipes, poll, epoll, eventfd, files of a tmpfs, duplicates and limits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

static const char *error_of(long result) { return result < 0 ? strerror(errno) : "none"; }

static void pipe_limits(void) {
  int ends[2];
  static char block[4096];
  long total = 0, written;
  if (pipe2(ends, O_NONBLOCK) != 0) exit(1);
  printf("empty: %s\n", error_of(read(ends[0], block, 1)));
  while ((written = write(ends[1], block, sizeof block)) > 0) total += written;
  printf("full after %ld: %s\n", total, error_of(written));
  close(ends[1]);
  for (total = 0; (written = read(ends[0], block, sizeof block)) > 0;) total += written;
  printf("read %ld, then %ld\n", total, written);
}

static void broken_pipe(void) {
  int ends[2], status;
  if (pipe(ends) != 0) exit(1);
  close(ends[0]);
  if (fork() == 0) _exit(write(ends[1], "x", 1) == 1);
  wait(&status);
  printf("signal %d\n", WTERMSIG(status));
  signal(SIGPIPE, SIG_IGN);
  printf("ignored: %s\n", error_of(write(ends[1], "x", 1)));
}

static void stream(void) {
  int ends[2], status;
  long total = 0, bytes;
  unsigned sum = 0;
  static unsigned char block[3000];
  if (pipe(ends) != 0) exit(1);
  if (fork() == 0) {
    close(ends[0]);
    for (int i = 0; i < 100; i++) {
      memset(block, i, sizeof block);
      if (write(ends[1], block, sizeof block) != sizeof block) _exit(1);
    }
    _exit(0);
  }
  close(ends[1]);
  while ((bytes = read(ends[0], block, sizeof block)) > 0) {
    total += bytes;
    for (long i = 0; i < bytes; i++) sum += block[i];
  }
  wait(&status);
  printf("%ld bytes, sum %u, status %d\n", total, sum, WEXITSTATUS(status));
}

static void polled(void) {
  int ends[2];
  char byte;
  if (pipe(ends) != 0) exit(1);
  struct pollfd both[] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}};
  printf("ready %d:", poll(both, 2, 0));
  printf(" %x %x\n", both[0].revents, both[1].revents);
  if (write(ends[1], "x", 1) != 1) exit(1);
  printf("ready %d:", poll(both, 2, -1));
  printf(" %x %x\n", both[0].revents, both[1].revents);
  if (read(ends[0], &byte, 1) != 1) exit(1);
  close(ends[1]);
  printf("ready %d:", poll(both, 2, -1));
  printf(" %x %x\n", both[0].revents, both[1].revents);
  printf("nothing in a millisecond: %d\n", poll(NULL, 0, 1));
}

static void epolled(void) {
  struct epoll_event found[4], wanted = {.events = EPOLLIN | EPOLLET, .data.u64 = 17};
  int set = epoll_create1(0), counter = eventfd(0, 0);
  uint64_t value = 3;
  printf("added %d\n", epoll_ctl(set, EPOLL_CTL_ADD, counter, &wanted));
  printf("again: %s\n", error_of(epoll_ctl(set, EPOLL_CTL_ADD, counter, &wanted)));
  printf("ready %d\n", epoll_wait(set, found, 4, 0));
  if (write(counter, &value, 8) != 8) exit(1);
  int ready = epoll_wait(set, found, 4, -1);
  printf("ready %d: %x %d\n", ready, found[0].events, (int)found[0].data.u64);
  printf("an edge is told once: %d\n", epoll_wait(set, found, 4, 0));
  printf("removed %d\n", epoll_ctl(set, EPOLL_CTL_DEL, counter, NULL));
  printf("unknown: %s\n", error_of(epoll_ctl(set, EPOLL_CTL_MOD, counter, &wanted)));
}

static void counters(void) {
  int plain = eventfd(5, EFD_NONBLOCK), single = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
  uint64_t value = 4;
  printf("wrote %zd\n", write(plain, &value, 8));
  ssize_t bytes = read(plain, &value, 8);
  printf("read %zd: %d\n", bytes, (int)value);
  printf("empty: %s\n", error_of(read(plain, &value, 8)));
  while (read(single, &value, 8) == 8) printf("one at a time: %d\n", (int)value);
  value = UINT64_MAX;
  printf("too much: %s\n", error_of(write(plain, &value, 8)));
  printf("too short: %s\n", error_of(read(plain, &value, 4)));
}

static void files(void) {
  struct stat facts;
  char text[32] = {0};
  int fd = open("/tmp/conformance-file", O_CREAT | O_RDWR | O_TRUNC, 0600);
  printf("wrote %zd\n", write(fd, "hello, file", 11));
  printf("at %ld\n", (long)lseek(fd, 7, SEEK_SET));
  printf("read %zd", read(fd, text, sizeof text));
  printf(": %s\n", text);
  printf("pread %zd", pread(fd, text, 5, 0));
  printf(": %s\n", text);
  printf("hole at %ld\n", (long)lseek(fd, 10000, SEEK_SET));
  printf("wrote %zd\n", write(fd, "!", 1));
  fstat(fd, &facts);
  printf("size %ld, links %d, mode %o\n", (long)facts.st_size, (int)facts.st_nlink, facts.st_mode);
  printf("unlinked %d\n", unlink("/tmp/conformance-file"));
  fstat(fd, &facts);
  printf("links %d\n", (int)facts.st_nlink);
  printf("gone: %s\n", error_of(open("/tmp/conformance-file", O_RDONLY)));
  printf("closed %d\n", close(fd));
  printf("closed: %s\n", error_of(close(fd)));
}

static void exhausted(void) {
  struct rlimit limit = {20, 20};
  int last = -1, fd;
  setrlimit(RLIMIT_NOFILE, &limit);
  while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
  printf("last %d: %s\n", last, error_of(fd));
  close(10);
  printf("lowest free: %d\n", dup(0));
  printf("beyond: %s\n", error_of(dup2(0, 20)));
  printf("replaced: %d\n", dup2(0, 5));
}

static void devices(void) {
  char bytes[8];
  memset(bytes, 1, sizeof bytes);
  int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR);
  printf("zero %zd", read(zero, bytes, 8));
  printf(": %d %d\n", bytes[0], bytes[7]);
  printf("null %zd, %zd\n", read(null, bytes, 8), write(null, bytes, 8));
  printf("no such: %s\n", error_of(open("/dev/nothing", O_RDONLY)));
  printf("not a directory: %s\n", error_of(open("/dev/null/x", O_RDONLY)));
}

static void memory_files(void) {
  char name[300], link[64], target[64] = {0}, *mapped;
  int fd = memfd_create("notes", MFD_CLOEXEC);
  printf("closed by exec: %d\n", fcntl(fd, F_GETFD));
  printf("grown %d\n", ftruncate(fd, 8192));
  mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  strcpy(mapped + 4090, "across two pages");
  printf("read %zd", pread(fd, name, 17, 4090));
  printf(": %s\n", name);
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (readlink(link, target, sizeof target - 1) > 0) printf("%s\n", target);
  memset(name, 'x', sizeof name);
  name[249] = 0;
  fd = memfd_create(name, 0);
  printf("249 bytes: %s\n", error_of(fd));
  name[249] = 'x';
  name[250] = 0;
  printf("250 bytes: %s\n", error_of(memfd_create(name, 0)));
  printf("no name: %s\n", error_of(memfd_create((char *)8, 0)));
  printf("flags: %s\n", error_of(memfd_create("x", 0x8000)));
}

static void copies(void) {
  static char block[200000], back[200000];
  int from = memfd_create("from", 0), to = memfd_create("to", 0), ends[2];
  off_t offset = 100;
  for (unsigned i = 0; i < sizeof block; i++) block[i] = (char)(i * 31 >> 3);
  if (write(from, block, sizeof block) != sizeof block || pipe(ends) != 0) exit(1);
  printf("at the end: %zd\n", sendfile(to, from, NULL, 10));
  printf("from an offset: %zd", sendfile(to, from, &offset, sizeof block));
  printf(", then at %ld; %ld and %ld\n", (long)offset, (long)lseek(from, 0, SEEK_CUR),
         (long)lseek(to, 0, SEEK_CUR));
  if (pread(to, back, sizeof back, 0) < 0) exit(1);
  printf("the same: %d\n", memcmp(block + 100, back, sizeof block - 100) == 0);
  lseek(from, 5, SEEK_SET);
  printf("into a pipe: %zd", sendfile(ends[1], from, NULL, 3000));
  printf(", then at %ld\n", (long)lseek(from, 0, SEEK_CUR));
  printf("read %zd", read(ends[0], back, sizeof back));
  printf(": %d\n", memcmp(block + 5, back, 3000) == 0);
  printf("from a pipe: %s\n", error_of(sendfile(to, ends[0], NULL, 1)));
  printf("closed: %s\n", error_of(sendfile(77, from, NULL, 1)));
  printf("to a reader: %s\n", error_of(sendfile(ends[0], from, NULL, 1)));
  off_t in = 10, out = 500000;
  printf("a range: %zd", copy_file_range(from, &in, to, &out, 100000, 0));
  printf(", then %ld and %ld, size %ld\n", (long)in, (long)out, (long)lseek(to, 0, SEEK_END));
  in = 0, out = 10;
  printf("onto itself: %s\n", error_of(copy_file_range(from, &in, from, &out, 100, 0)));
  printf("flags: %s\n", error_of(copy_file_range(from, NULL, to, NULL, 1, 1)));
  printf("into a pipe: %s\n", error_of(copy_file_range(from, &in, ends[1], NULL, 1, 0)));
}

int main(int argc, char **argv) {
  static const struct part PARTS[] = {
      {"pipe-limits", pipe_limits}, {"broken-pipe", broken_pipe}, {"stream", stream},
      {"poll", polled},             {"epoll", epolled},           {"eventfd", counters},
      {"files", files},             {"exhausted", exhausted},     {"devices", devices},
      {"memory-files", memory_files}, {"copies", copies},
  };
  return RUN_PART(PARTS);
}
