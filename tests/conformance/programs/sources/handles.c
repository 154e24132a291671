/* Signals, processes and pages by descriptor: signalfd, pidfd, splice; other processes' memory; privileges. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

#define PIDFD 3 /* P_PIDFD */

static const char *error_of(long result) { return result < 0 ? strerror(errno) : "none"; }

static int child_status(pid_t child) {
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static sigset_t block(int first, int second) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, first);
  sigaddset(&set, second);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return set;
}

static void show(const struct signalfd_siginfo *info) {
  printf("signal %d code %d from me %d value %d\n", (int)info->ssi_signo, info->ssi_code,
         (pid_t)info->ssi_pid == getpid(), info->ssi_int);
}

static void signals_queued(void) {
  sigset_t set = block(SIGUSR1, SIGRTMIN + 1);
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  struct signalfd_siginfo info[4];
  printf("nothing: %s\n", error_of(read(fd, info, sizeof info)));
  struct pollfd ready = {fd, POLLIN, 0};
  printf("poll %d\n", poll(&ready, 1, 0));
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 7});
  sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 8});
  printf("poll %d, %d\n", poll(&ready, 1, 0), ready.revents);
  long bytes = read(fd, info, sizeof info);
  printf("%ld signals\n", bytes / (long)sizeof info[0]);
  for (long i = 0; i < bytes / (long)sizeof info[0]; i++) show(&info[i]);
  printf("nothing left: %s\n", error_of(read(fd, info, sizeof info)));
}

static void signals_waited(void) {
  sigset_t set = block(SIGCHLD, SIGUSR2);
  int fd = signalfd(-1, &set, 0);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    kill(parent, SIGUSR2);
    _exit(9);
  }
  struct signalfd_siginfo info;
  for (int i = 0; i < 2; i++) {
    read(fd, &info, sizeof info);
    printf("signal %d code %d from child %d\n", (int)info.ssi_signo, info.ssi_code,
           (pid_t)info.ssi_pid == child);
    if (info.ssi_signo == SIGCHLD) printf("status %d\n", info.ssi_status);
  }
  printf("child %d\n", child_status(child));
}

static void signal_errors(void) {
  sigset_t set = block(SIGUSR1, SIGKILL);
  struct signalfd_siginfo info;
  int fd = signalfd(-1, &set, SFD_NONBLOCK), other = dup(0);
  printf("flags: %s\n", error_of(signalfd(-1, &set, 12345)));
  printf("size: %s\n", error_of(syscall(SYS_signalfd4, -1, &set, 4, 0)));
  printf("mask: %s\n", error_of(syscall(SYS_signalfd4, -1, (void *)16, 8, 0)));
  printf("bad descriptor: %s\n", error_of(signalfd(999, &set, 0)));
  printf("other descriptor: %s\n", error_of(signalfd(other, &set, 0)));
  printf("short: %s\n", error_of(read(fd, &info, 100)));
  printf("write: %s\n", error_of(write(fd, &info, sizeof info)));
  kill(getpid(), SIGUSR1);
  sigemptyset(&set);
  printf("changed: %d\n", signalfd(fd, &set, 0) == fd);
  printf("not for it: %s\n", error_of(read(fd, &info, sizeof info)));
}

static void signals_by_epoll(void) {
  sigset_t set = block(SIGALRM, SIGUSR1);
  int fd = signalfd(-1, &set, SFD_NONBLOCK), epoll = epoll_create1(0);
  struct epoll_event event = {EPOLLIN, {.fd = fd}}, got;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  printf("before %d\n", epoll_wait(epoll, &got, 1, 0));
  alarm(1);
  printf("after %d\n", epoll_wait(epoll, &got, 1, 5000));
  struct signalfd_siginfo info;
  printf("bytes %ld, signal %d\n", (long)read(fd, &info, sizeof info), (int)info.ssi_signo);
}

static int open_process(pid_t pid, unsigned flags) {
  return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int send_to(int fd, int signal, siginfo_t *info) {
  return (int)syscall(SYS_pidfd_send_signal, fd, signal, info, 0);
}

static void process_descriptors(void) {
  int go[2];
  char byte = 0;
  pipe(go);
  pid_t child = fork();
  if (child == 0) {
    read(go[0], &byte, 1);
    _exit(23);
  }
  int fd = open_process(child, 0);
  struct pollfd ready = {fd, POLLIN, 0};
  siginfo_t info;
  printf("close on exec %d\n", fcntl(fd, F_GETFD));
  printf("alive: poll %d, signal 0: %d\n", poll(&ready, 1, 0), send_to(fd, 0, NULL));
  write(go[1], &byte, 1);
  printf("ended: poll %d, %d\n", poll(&ready, 1, -1), ready.revents);
  printf("waitid %d", waitid(PIDFD, (id_t)fd, &info, WEXITED));
  printf(" code %d status %d\n", info.si_code, info.si_status);
  printf("gone: %s\n", error_of(send_to(fd, 0, NULL)));
  printf("waitid again: %s\n", error_of(waitid(PIDFD, (id_t)fd, &info, WEXITED)));
}

static void process_errors(void) {
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};
  int self = open_process(getpid(), 0), quiet = open_process(getpid(), O_NONBLOCK);
  printf("flags: %s\n", error_of(open_process(getpid(), 1)));
  printf("number: %s\n", error_of(open_process(-1, 0)));
  printf("nobody: %s\n", error_of(open_process(4194303, 0)));
  printf("bad descriptor: %s\n", error_of(send_to(0, 0, NULL)));
  printf("signal: %s\n", error_of(send_to(self, 99, NULL)));
  printf("another signal's facts: %s\n", error_of(send_to(self, SIGUSR2, &info)));
  printf("not my child: %s\n", error_of(waitid(PIDFD, (id_t)quiet, &info, WEXITED)));
  printf("read: %s\n", error_of(read(self, &info, 1)));
}

static void process_clone(void) {
  int fd = -1;
  long child = syscall(SYS_clone, 0x1000 | SIGCHLD, NULL, &fd, NULL, NULL);
  if (child == 0) {
    pause();
    _exit(0);
  }
  printf("descriptor %d\n", fd >= 0);
  siginfo_t info;
  printf("killed: %d\n", send_to(fd, SIGTERM, NULL));
  waitid(PIDFD, (id_t)fd, &info, WEXITED);
  printf("code %d signal %d, right child %d\n", info.si_code, info.si_status, info.si_pid == child);
}

static void fill(char *text, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) text[i] = (char)('a' + i * 7 % 26);
}

static unsigned sum_of(const char *text, size_t bytes) {
  unsigned sum = 0;
  for (size_t i = 0; i < bytes; i++) sum = sum * 31 + (unsigned char)text[i];
  return sum;
}

static void splicing(void) {
  static char text[10000], back[10000];
  int one[2], two[2], file = memfd_create("file", 0);
  loff_t offset = 100;
  pipe(one);
  pipe(two);
  fill(text, sizeof text);
  write(file, text, sizeof text);
  printf("from a file: %ld\n", (long)splice(file, &offset, one[1], NULL, 5000, 0));
  printf("offset %ld\n", (long)offset);
  printf("between pipes: %ld\n", (long)splice(one[0], NULL, two[1], NULL, 4500, 0));
  printf("the rest: %ld\n", (long)splice(one[0], NULL, two[1], NULL, 4500, SPLICE_F_MORE));
  printf("empty: %s\n", error_of(splice(one[0], NULL, two[1], NULL, 1, SPLICE_F_NONBLOCK)));
  printf("tee: %ld\n", (long)tee(two[0], one[1], 3000, 0));
  offset = 20000;
  printf("to the file: %ld\n", (long)splice(two[0], NULL, file, &offset, 5000, 0));
  printf("size %ld\n", (long)lseek(file, 0, SEEK_END));
  pread(file, back, 5000, 20000);
  printf("same: %d\n", sum_of(back, 5000) == sum_of(text + 100, 5000));
  printf("copy: %ld", (long)read(one[0], back, sizeof back));
  printf(", same: %d\n", sum_of(back, 3000) == sum_of(text + 100, 3000));
  close(one[1]);
  printf("end: %ld\n", (long)splice(one[0], NULL, two[1], NULL, 10, 0));
}

static void splice_errors(void) {
  int one[2], two[2], file = memfd_create("file", 0), append = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  loff_t offset = 0;
  pipe(one);
  pipe(two);
  write(one[1], "x", 1);
  printf("no pipe: %s\n", error_of(splice(file, NULL, append, NULL, 1, 0)));
  printf("itself: %s\n", error_of(splice(one[0], NULL, one[1], NULL, 1, 0)));
  printf("offset of a pipe: %s\n", error_of(splice(one[0], &offset, file, NULL, 1, 0)));
  printf("wrong way: %s\n", error_of(splice(one[1], NULL, file, NULL, 1, 0)));
  printf("flags: %s\n", error_of(splice(one[0], NULL, file, NULL, 1, 64)));
  printf("descriptor: %s\n", error_of(splice(999, NULL, file, NULL, 1, 0)));
  printf("nothing: %ld\n", (long)splice(one[0], NULL, file, NULL, 0, 0));
  printf("tee to a file: %s\n", error_of(tee(one[0], file, 1, 0)));
  printf("tee to itself: %s\n", error_of(tee(one[0], one[1], 1, 0)));
  signal(SIGPIPE, SIG_IGN);
  close(two[0]);
  printf("no reader: %s\n", error_of(splice(one[0], NULL, two[1], NULL, 1, 0)));
}

static void memory_to_pipe(void) {
  static char first[5000], second[3000], back[8000];
  int ends[2];
  pipe(ends);
  fill(first, sizeof first);
  fill(second, sizeof second);
  struct iovec parts[2] = {{first, sizeof first}, {second, sizeof second}}, into = {back, 8000};
  printf("in: %ld\n", (long)vmsplice(ends[1], parts, 2, 0));
  printf("out: %ld\n", (long)vmsplice(ends[0], &into, 1, 0));
  printf("same: %d\n", memcmp(back, first, 5000) == 0 && memcmp(back + 5000, second, 3000) == 0);
  printf("no pipe: %s\n", error_of(vmsplice(memfd_create("f", 0), parts, 1, 0)));
  printf("nothing there: %s\n", error_of(vmsplice(ends[0], &into, 1, SPLICE_F_NONBLOCK)));
}

static void blocked_splice(void) {
  int one[2], two[2];
  char text[8];
  pipe(one);
  pipe(two);
  pid_t child = fork();
  if (child == 0) _exit((int)splice(one[0], NULL, two[1], NULL, 100, 0));
  sched_yield();
  write(one[1], "hello", 5);
  printf("read %ld\n", (long)read(two[0], text, sizeof text));
  printf("child %d\n", child_status(child));
}

static char area[9000];

static void other_memory(void) {
  int ends[2];
  char byte;
  pipe(ends);
  pid_t child = fork();
  if (child == 0) {
    close(ends[1]);
    read(ends[0], &byte, 1);
    _exit(area[4999] == 'Z' && area[0] == 0 ? 3 : 4);
  }
  char mine[9000] = {0}, text[3] = "YZ";
  fill(area, 100);
  struct iovec local = {mine, 9000}, remote[2] = {{area, 4000}, {area + 4000, 5000}};
  printf("read %ld\n", (long)process_vm_readv(child, &local, 1, remote, 2, 0));
  printf("its own copy: %d\n", sum_of(mine, 9000) == 0);
  struct iovec from = {text, 2}, to = {area + 4998, 2}, far = {(void *)4096, 10};
  printf("write %ld\n", (long)process_vm_writev(child, &from, 1, &to, 1, 0));
  printf("flags: %s\n", error_of(process_vm_readv(child, &local, 1, remote, 1, 1)));
  printf("nobody: %s\n", error_of(process_vm_readv(4194303, &local, 1, remote, 1, 0)));
  printf("unmapped: %s\n", error_of(process_vm_readv(child, &local, 1, &far, 1, 0)));
  struct iovec some[2] = {{area, 10}, {(void *)4096, 10}};
  printf("as far as it goes: %ld\n", (long)process_vm_readv(child, &local, 1, some, 2, 0));
  close(ends[1]);
  printf("child %d\n", child_status(child));
}

struct header {
  uint32_t version;
  int pid;
};
struct sets {
  uint32_t effective, permitted, inheritable;
};

static void show_sets(const char *when) {
  struct header header = {0x20080522, 0};
  struct sets sets[2];
  syscall(SYS_capget, &header, sets);
  printf("%s: %d %d %d\n", when, sets[0].effective != 0, sets[0].permitted != 0,
         sets[0].inheritable != 0);
}

static void as_nobody(void) {
  char name[] = "elsewhere";
  struct header header = {0x20080522, 0};
  struct sets sets[2] = {{1, 1, 0}, {0, 0, 0}};
  setresuid(1000, 1000, 0);
  show_sets("effective user");
  setresuid(-1, 0, -1);
  show_sets("root again");
  setuid(1000);
  show_sets("nobody");
  printf("host name: %s\n", error_of(sethostname(name, 9)));
  printf("domain name: %s\n", error_of(setdomainname(name, 9)));
  printf("gain: %s\n", error_of(syscall(SYS_capset, &header, sets)));
  sets[0] = (struct sets){0, 0, 0};
  printf("nothing: %s\n", error_of(syscall(SYS_capset, &header, sets)));
}

static void privileges(void) {
  struct header header = {1, 0}, other = {0x20080522, -1};
  struct sets sets[2];
  printf("version: %s", error_of(syscall(SYS_capget, &header, NULL)));
  printf(", preferred %x\n", header.version);
  header.version = 1;
  printf("version with sets: %s\n", error_of(syscall(SYS_capget, &header, sets)));
  printf("negative: %s\n", error_of(syscall(SYS_capget, &other, sets)));
  printf("long name: %s\n", error_of(sethostname("x", 65)));
  printf("bad name: %s\n", error_of(sethostname((char *)16, 5)));
  show_sets("root");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    as_nobody();
    exit(0);
  }
  child_status(child);
  header = (struct header){0x20080522, 0};
  syscall(SYS_capget, &header, sets);
  sets[0].effective = 0;
  printf("drop: %s\n", error_of(syscall(SYS_capset, &header, sets)));
  show_sets("dropped");
  printf("without it: %s\n", error_of(sethostname("x", 1)));
  sets[0].effective = sets[0].permitted;
  printf("take again: %s\n", error_of(syscall(SYS_capset, &header, sets)));
  show_sets("again");
}

static void groups(void) {
  printf("own group: %s\n", error_of(setpgid(0, 0)));
  printf("leads: %d\n", getpgrp() == getpid());
  printf("no session for a leader: %s\n", error_of(setsid()));
  printf("negative: %s\n", error_of(setpgid(0, -1)));
  printf("stranger: %s\n", error_of(setpgid(4194303, 0)));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    printf("in my parent's group: %d\n", getpgrp() == getppid());
    printf("session: %s\n", error_of(setsid()));
    printf("leads all: %d %d\n", getpgrp() == getpid(), getsid(0) == getpid());
    printf("group of a session leader: %s\n", error_of(setpgid(0, 0)));
    exit(0);
  }
  child_status(child);
  printf("session is not mine: %d\n", getsid(0) != getpid());
}

int main(int argc, char **argv) {
  static const struct part parts[] = {
      {"signals-queued", signals_queued}, {"signals-waited", signals_waited},
      {"signal-errors", signal_errors},   {"signals-epoll", signals_by_epoll},
      {"processes", process_descriptors}, {"process-errors", process_errors},
      {"process-clone", process_clone},   {"splicing", splicing},
      {"splice-errors", splice_errors},   {"memory-to-pipe", memory_to_pipe},
      {"blocked-splice", blocked_splice}, {"other-memory", other_memory},
      {"privileges", privileges},         {"groups", groups},
  };
  return RUN_PART(parts);
}
