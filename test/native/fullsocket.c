/*
 * A libc whose sendmsg and sendmmsg fail as long as a test wants, as those of a full socket do: on loopback the kernel
 * passes a datagram on before the call returns. A test gives it to the transport in place of the real one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define EXPORT __attribute__((visibility("default")))

static atomic_int failure;

/* From now on sends fail with this error; 0 ends that. */
EXPORT void fail_sends(int error)
{
    atomic_store(&failure, error);
}

static int fails(void)
{
    int error = atomic_load(&failure);
    if (error != 0)
        errno = error;
    return error != 0;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t (*real)(int, const struct msghdr *, int)
        = (ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
    return fails() ? -1 : real(fd, message, flags);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
    int (*real)(int, struct mmsghdr *, unsigned int, int)
        = (int (*)(int, struct mmsghdr *, unsigned int, int))dlsym(RTLD_NEXT, "sendmmsg");
    return fails() ? -1 : real(fd, messages, count, flags);
}
