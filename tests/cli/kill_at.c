/* Ends the process, as kill -9 does, before its n-th call that changes a file: KILL_AT=n. Preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static void count(void) {
  static int calls;
  const char *at = getenv("KILL_AT");
  if (at != NULL && ++calls == atoi(at)) kill(getpid(), SIGKILL);
}

#define WRAP(type, name, parameters, arguments)                    \
  type name parameters {                                           \
    static type(*real) parameters;                                 \
    if (real == NULL) real = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
    count();                                                       \
    return real arguments;                                         \
  }

WRAP(ssize_t, write, (int fd, const void *data, size_t bytes), (fd, data, bytes))
WRAP(ssize_t, pwrite64, (int fd, const void *data, size_t bytes, off_t at), (fd, data, bytes, at))
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t bytes, off_t at), (fd, data, bytes, at))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, flock, (int fd, int operation), (fd, operation))
