/* Stands before the C library's calls, and has one of them fail when it was told to. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char armed[32];
static int countdown = -1, times, code;

/* The call of that name fails, after `after` others, so many times, with that errno. */
void torture_arm(const char *name, int after, int many, int with) {
    strncpy(armed, name, sizeof armed - 1);
    countdown = after, times = many, code = with;
}

/* How often it may still fail. */
int torture_left(void) { return times; }

static int fails(const char *name) {
    if (countdown < 0 || times <= 0 || strcmp(armed, name)) return 0;
    if (countdown > 0) return countdown--, 0;
    times--, errno = code;
    return 1;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

ssize_t pwrite(int f, const void *b, size_t n, off_t o) {
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    return fails("write") ? -1 : real(f, b, n, o);
}
ssize_t pwrite64(int f, const void *b, size_t n, off64_t o) {
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return fails("write") ? -1 : real(f, b, n, o);
}
ssize_t write(int f, const void *b, size_t n) {
    REAL(ssize_t, write, int, const void *, size_t);
    return fails("write") ? -1 : real(f, b, n);
}
ssize_t pread(int f, void *b, size_t n, off_t o) {
    REAL(ssize_t, pread, int, void *, size_t, off_t);
    return fails("read") ? -1 : real(f, b, n, o);
}
ssize_t pread64(int f, void *b, size_t n, off64_t o) {
    REAL(ssize_t, pread64, int, void *, size_t, off64_t);
    return fails("read") ? -1 : real(f, b, n, o);
}
int fsync(int f) {
    REAL(int, fsync, int);
    return fails("sync") ? -1 : real(f);
}
int fdatasync(int f) {
    REAL(int, fdatasync, int);
    return fails("sync") ? -1 : real(f);
}
int ftruncate(int f, off_t n) {
    REAL(int, ftruncate, int, off_t);
    return fails("truncate") ? -1 : real(f, n);
}
int ftruncate64(int f, off64_t n) {
    REAL(int, ftruncate64, int, off64_t);
    return fails("truncate") ? -1 : real(f, n);
}
int unlink(const char *p) {
    REAL(int, unlink, const char *);
    return fails("unlink") ? -1 : real(p);
}
int rename(const char *a, const char *b) {
    REAL(int, rename, const char *, const char *);
    return fails("rename") ? -1 : real(a, b);
}
int link(const char *a, const char *b) {
    REAL(int, link, const char *, const char *);
    return fails("link") ? -1 : real(a, b);
}
