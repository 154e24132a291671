/* inotify: what is told of files and directories, in which order, and how it is read. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

static const char *error_of(long result) { return result < 0 ? strerror(errno) : "none"; }

static char place[] = "/dev/shm/watching-XXXXXX";

/* A new directory on tmpfs, which is where the program works. */
static void enter(void) {
  if (mkdtemp(place) == NULL || chdir(place) != 0) exit(printf("no place: %s\n", strerror(errno)));
}

static void leave(void) {
  chdir("/");
  rmdir(place);
}

static void show(const char *when, int fd) {
  char buffer[4096] __attribute__((aligned(8)));
  long bytes = read(fd, buffer, sizeof buffer);
  printf("%s:", when);
  for (long at = 0; at < bytes;) {
    struct inotify_event *event = (struct inotify_event *)(buffer + at);
    printf(" [%d %x %d '%s']", event->wd, event->mask, event->cookie != 0,
           event->len > 0 ? event->name : "");
    at += (long)sizeof *event + event->len;
  }
  printf(" %s\n", bytes < 0 ? strerror(errno) : "");
}

static void put(const char *name, const char *text) {
  int fd = open(name, O_WRONLY | O_CREAT, 0600);
  write(fd, text, strlen(text));
  close(fd);
}

static void files(void) {
  enter();
  int fd = inotify_init1(IN_NONBLOCK);
  put("old", "text");
  int wd = inotify_add_watch(fd, "old", IN_ALL_EVENTS);
  show("nothing", fd);
  char byte;
  int file = open("old", O_RDWR);
  read(file, &byte, 1);
  write(file, "x", 1);
  write(file, "y", 1);
  ftruncate(file, 2);
  fchmod(file, 0640);
  close(file);
  show("used", fd);
  file = open("old", O_RDONLY);
  close(file);
  show("looked at", fd);
  link("old", "other");
  rename("old", "new");
  show("linked and renamed", fd);
  unlink("new");
  show("one name less", fd);
  unlink("other");
  show("gone", fd);
  printf("watch %s\n", error_of(inotify_rm_watch(fd, wd)));
  leave();
}

static void directories(void) {
  enter();
  int fd = inotify_init1(IN_NONBLOCK);
  mkdir("sub", 0700);
  inotify_add_watch(fd, ".", IN_ALL_EVENTS & ~(IN_ACCESS | IN_OPEN | IN_CLOSE));
  inotify_add_watch(fd, "sub", IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF);
  put("file", "abc");
  show("made", fd);
  mkdir("deep", 0700);
  symlink("file", "pointer");
  mkfifo("queue", 0600);
  show("others", fd);
  rename("file", "sub/moved");
  show("moved", fd);
  rename("sub", "under");
  show("directory moved", fd);
  unlink("under/moved");
  rmdir("under");
  show("removed", fd);
  rmdir("deep");
  unlink("pointer");
  unlink("queue");
  show("all", fd);
  leave();
}

static void watches(void) {
  enter();
  int fd = inotify_init();
  put("file", "");
  int wd = inotify_add_watch(fd, "file", IN_OPEN);
  printf("first %d, again %d\n", wd, inotify_add_watch(fd, "file", IN_MODIFY));
  printf("only new: %s\n", error_of(inotify_add_watch(fd, "file", IN_OPEN | 0x10000000)));
  printf("no events: %s\n", error_of(inotify_add_watch(fd, "file", 0)));
  printf("no file: %s\n", error_of(inotify_add_watch(fd, "nothing", IN_OPEN)));
  printf("no directory: %s\n", error_of(inotify_add_watch(fd, "file", IN_OPEN | IN_ONLYDIR)));
  printf("no inotify: %s\n", error_of(inotify_add_watch(0, "file", IN_OPEN)));
  printf("no descriptor: %s\n", error_of(inotify_add_watch(99, "file", IN_OPEN)));
  printf("flags: %s\n", error_of(inotify_init1(1)));
  printf("unknown watch: %s\n", error_of(inotify_rm_watch(fd, 77)));
  printf("removed: %s\n", error_of(inotify_rm_watch(fd, wd)));
  show("ignored", fd);
  printf("new number: %d\n", inotify_add_watch(fd, "file", IN_OPEN | IN_ONESHOT));
  close(open("file", O_RDONLY));
  close(open("file", O_RDONLY));
  show("once", fd);
  unlink("file");
  leave();
}

static void reading(void) {
  enter();
  int fd = inotify_init(), waiting;
  char small[16];
  struct pollfd ready = {fd, POLLIN, 0};
  inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE);
  printf("poll %d\n", poll(&ready, 1, 0));
  put("a-name-of-more-than-sixteen-bytes", "");
  put("b", "");
  ioctl(fd, FIONREAD, &waiting);
  printf("poll %d, waiting %d\n", poll(&ready, 1, 0), waiting);
  printf("too small: %s\n", error_of(read(fd, small, sizeof small)));
  show("both", fd);
  if (fork() == 0) {
    unlink("b");
    _exit(0);
  }
  show("waited", fd);
  wait(NULL);
  unlink("a-name-of-more-than-sixteen-bytes");
  leave();
}

int main(int argc, char **argv) {
  static const struct part parts[] = {
      {"files", files}, {"directories", directories}, {"watches", watches}, {"reading", reading},
  };
  return RUN_PART(parts);
}
