/* Connected pairs of Unix sockets: streams, datagrams, packets; ends, waiting, options. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

static const char *error_of(long result) { return result < 0 ? strerror(errno) : "none"; }

static void pair(int type, int ends[2]) {
  if (socketpair(AF_UNIX, type, 0, ends) != 0) exit(printf("no pair: %s\n", strerror(errno)));
}

static void show(const char *what, int fd, int flags) {
  char text[64] = {0};
  long bytes = recv(fd, text, sizeof text - 1, flags);
  printf("%s: %ld '%s' %s\n", what, bytes, text, error_of(bytes));
}

static void making(void) {
  int ends[2];
  struct stat facts;
  printf("family: %s\n", error_of(socketpair(500, SOCK_STREAM, 0, ends)));
  printf("type: %s\n", error_of(socketpair(AF_UNIX, 20, 0, ends)));
  printf("kind: %s\n", error_of(socketpair(AF_UNIX, SOCK_RDM, 0, ends)));
  printf("protocol: %s\n", error_of(socketpair(AF_UNIX, SOCK_STREAM, 7, ends)));
  printf("flags: %s\n", error_of(socketpair(AF_UNIX, SOCK_STREAM | 0x100000, 0, ends)));
  printf("memory: %s\n", error_of(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 16)));
  pair(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, ends);
  printf("descriptor flags %d\n", fcntl(ends[0], F_GETFD));
  printf("nonblocking %d\n", (fcntl(ends[1], F_GETFL) & O_NONBLOCK) != 0);
  fstat(ends[0], &facts);
  printf("socket %d, mode %o\n", S_ISSOCK(facts.st_mode), facts.st_mode & 0777);
  printf("seek: %s\n", error_of(lseek(ends[0], 0, SEEK_CUR)));
  printf("no socket: %s\n", error_of(send(0, "x", 1, 0)));
  printf("no descriptor: %s\n", error_of(send(999, "x", 1, 0)));
}

static void streams(void) {
  int ends[2], waiting;
  pair(SOCK_STREAM, ends);
  printf("write %ld, send %ld\n", (long)write(ends[0], "abc", 3), (long)send(ends[0], "defgh", 5, 0));
  ioctl(ends[1], FIONREAD, &waiting);
  printf("waiting %d\n", waiting);
  show("peek", ends[1], MSG_PEEK);
  char part[4] = {0};
  printf("read %ld %s\n", (long)read(ends[1], part, 3), part);
  show("rest", ends[1], 0);
  show("nothing", ends[1], MSG_DONTWAIT);
  struct iovec parts[2] = {{"one", 3}, {"two", 3}};
  printf("writev %ld\n", (long)writev(ends[1], parts, 2));
  show("both", ends[0], 0);
  printf("empty write %ld\n", (long)write(ends[0], "", 0));
  printf("empty read %ld\n", (long)read(ends[1], part, 0));
}

static void datagrams(void) {
  int ends[2], waiting;
  char text[8] = {0};
  static char large[300000];
  pair(SOCK_DGRAM, ends);
  send(ends[0], "first message", 13, 0);
  send(ends[0], "", 0, 0);
  send(ends[0], "second", 6, 0);
  ioctl(ends[1], FIONREAD, &waiting);
  printf("waiting %d\n", waiting);
  printf("cut: %ld %s\n", (long)recv(ends[1], text, 5, 0), text);
  printf("empty: %ld\n", (long)recv(ends[1], text, 5, 0));
  printf("real length: %ld\n", (long)recv(ends[1], text, 2, MSG_TRUNC));
  show("nothing", ends[1], MSG_DONTWAIT);
  printf("too large: %s\n", error_of(send(ends[0], large, sizeof large, 0)));
  close(ends[1]);
  printf("gone: %s\n", error_of(send(ends[0], "x", 1, 0)));
  printf("still gone: %s\n", error_of(send(ends[0], "x", 1, 0)));
}

static void packets(void) {
  int ends[2];
  char text[32] = {0};
  pair(SOCK_SEQPACKET, ends);
  struct iovec out[2] = {{"split ", 6}, {"message", 7}}, in[2] = {{text, 4}, {text + 4, 5}};
  struct msghdr message = {.msg_iov = out, .msg_iovlen = 2}, got = {.msg_iov = in, .msg_iovlen = 2};
  printf("sendmsg %ld\n", (long)sendmsg(ends[0], &message, 0));
  printf("recvmsg %ld %s flags %d\n", (long)recvmsg(ends[1], &got, 0), text, got.msg_flags & MSG_TRUNC);
  sendmsg(ends[0], &message, 0);
  got.msg_iovlen = 2;
  in[1].iov_len = 20;
  printf("recvmsg %ld flags %d\n", (long)recvmsg(ends[1], &got, 0), got.msg_flags & MSG_TRUNC);
  close(ends[0]);
  show("end", ends[1], 0);
}

static void ends_of_streams(void) {
  int ends[2];
  signal(SIGPIPE, SIG_IGN);
  pair(SOCK_STREAM, ends);
  send(ends[0], "last", 4, 0);
  close(ends[0]);
  show("what was sent", ends[1], 0);
  show("end", ends[1], 0);
  printf("write: %s\n", error_of(write(ends[1], "x", 1)));
  pair(SOCK_STREAM, ends);
  send(ends[1], "unread", 6, 0);
  close(ends[0]);
  pair(SOCK_STREAM, ends);
  send(ends[1], "unread", 6, 0);
  close(ends[0]);
  show("reset", ends[1], 0);
  show("then the end", ends[1], 0);
}

static void shutdowns(void) {
  int ends[2];
  signal(SIGPIPE, SIG_IGN);
  pair(SOCK_STREAM, ends);
  send(ends[0], "before", 6, 0);
  printf("shutdown %d\n", shutdown(ends[0], SHUT_WR));
  printf("send: %s\n", error_of(send(ends[0], "x", 1, MSG_NOSIGNAL)));
  show("before", ends[1], 0);
  show("end", ends[1], 0);
  printf("the other way %ld\n", (long)send(ends[1], "back", 4, 0));
  show("back", ends[0], 0);
  printf("bad way: %s\n", error_of(shutdown(ends[0], 3)));
  shutdown(ends[0], SHUT_RD);
  printf("to one who listens no more: %s\n", error_of(send(ends[1], "x", 1, 0)));
}

static int events(int fd) {
  struct pollfd ready = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
  poll(&ready, 1, 0);
  return ready.revents;
}

static void polling(void) {
  int ends[2];
  struct epoll_event event = {EPOLLIN, {.u32 = 5}}, got = {0};
  pair(SOCK_STREAM, ends);
  printf("new %d\n", events(ends[0]));
  send(ends[1], "x", 1, 0);
  printf("with a byte %d\n", events(ends[0]));
  int epoll = epoll_create1(0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
  printf("epoll %d, %u\n", epoll_wait(epoll, &got, 1, 0), got.data.u32);
  shutdown(ends[1], SHUT_WR);
  printf("after shutdown %d\n", events(ends[0]));
  close(ends[1]);
  printf("after close %d\n", events(ends[0]));
}

static int child_status(void) {
  int status;
  wait(&status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void waiting(void) {
  int ends[2];
  char text[16] = {0};
  pair(SOCK_STREAM, ends);
  if (fork() == 0) {
    close(ends[0]);
    long bytes = read(ends[1], text, sizeof text);
    write(ends[1], text, (size_t)bytes);
    _exit((int)bytes);
  }
  close(ends[1]);
  sched_yield();
  send(ends[0], "echo", 4, 0);
  long first = read(ends[0], text, sizeof text);
  printf("back %ld %s\n", first, text);
  printf("end %ld\n", (long)read(ends[0], text, sizeof text));
  printf("child %d\n", child_status());
}

static void much(void) {
  static char data[600000], back[600000];
  int ends[2];
  pair(SOCK_STREAM, ends);
  for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 31 >> 3);
  if (fork() == 0) {
    close(ends[0]);
    _exit(write(ends[1], data, sizeof data) == (long)sizeof data ? 1 : 2);
  }
  close(ends[1]);
  long done = recv(ends[0], back, sizeof back, MSG_WAITALL);
  printf("%ld, same %d\n", done, memcmp(data, back, sizeof data) == 0);
  printf("child %d\n", child_status());
}

static void broken(void) {
  int ends[2];
  pair(SOCK_STREAM, ends);
  fflush(stdout);
  if (fork() == 0) {
    close(ends[0]);
    write(ends[1], "x", 1);
    _exit(0);
  }
  printf("not yet: %d\n", child_status());
  close(ends[0]);
  if (fork() == 0) {
    write(ends[1], "x", 1);
    _exit(0);
  }
  printf("child %d\n", child_status());
}

static void options(void) {
  int ends[2], value = -1;
  socklen_t length = sizeof value;
  struct sockaddr_un name;
  pair(SOCK_SEQPACKET, ends);
  getsockopt(ends[0], SOL_SOCKET, SO_TYPE, &value, &length);
  printf("type %d in %u\n", value, length);
  getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &value, &length);
  printf("error %d\n", value);
  getsockopt(ends[0], SOL_SOCKET, SO_DOMAIN, &value, &length);
  printf("domain %d\n", value);
  getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, &length);
  printf("buffer %d\n", value);
  value = 20000;
  setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof value);
  getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, &length);
  printf("buffer %d\n", value);
  printf("unknown: %s\n", error_of(getsockopt(ends[0], SOL_SOCKET, 9999, &value, &length)));
  length = sizeof name;
  printf("name %d", getsockname(ends[0], (struct sockaddr *)&name, &length));
  printf(" family %d in %u\n", name.sun_family, length);
  length = sizeof name;
  printf("peer %d", getpeername(ends[0], (struct sockaddr *)&name, &length));
  printf(" family %d in %u\n", name.sun_family, length);
}

int main(int argc, char **argv) {
  static const struct part parts[] = {
      {"making", making},       {"streams", streams},     {"datagrams", datagrams},
      {"packets", packets},     {"ends", ends_of_streams}, {"shutdowns", shutdowns},
      {"polling", polling},     {"waiting", waiting},     {"much", much},
      {"broken", broken},       {"options", options},
  };
  return RUN_PART(parts);
}
