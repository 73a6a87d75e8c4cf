/* Preloaded into a program: writes a line to the file that SYNC_LOG names each time that the program has synced a
   write-ahead log. The line comes late, so that whoever does not wait for the end of the sync is ahead of it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LATE_US 50000

static int sync_and_log(const char *name, int fd)
{
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = sync(fd);
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    const char *log = getenv("SYNC_LOG");
    if (result != 0 || length < 4 || memcmp(path + length - 4, "-wal", 4) != 0 || log == NULL)
        return result;
    usleep(LATE_US);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out >= 0) {
        if (write(out, "synced\n", 7) < 0)
            abort();
        close(out);
    }
    return result;
}

int fsync(int fd) { return sync_and_log("fsync", fd); }
int fdatasync(int fd) { return sync_and_log("fdatasync", fd); }
